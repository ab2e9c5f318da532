"""`GET /live`: a device's WebSocket, from its handshake until it is handed to the process's sockets.

1. The request is admitted like any other, or refused with an HTTP answer: anonymous mode's rule, the origin,
   a place among the sockets.
2. The WebSocket is accepted, and its first message awaited: `{protocol, client, principal?, user?, token?}`.
3. `authenticate` is asked, and the principal compared. From here on, a refusal closes the socket with a code.
4. The newest version is the first poke. So the device knows that it is heard, and what it missed while it
   connected.

The request's thread is free after that. To the web server the request is answered: it keeps a dummy in the
place of the socket. Otherwise it would hold one of its threads, which may be four, for each socket.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time

from flask import Flask, Request, Response, request
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, TextMessage
from wsproto.events import Request as Handshake
from wsproto.utilities import ProtocolError

from . import strict_json, wire
from .auth import Authenticate, Principal, principal_of, require_named
from .errors import ApiError, unauthenticated
from .events import asked_by
from .sockets import TRY_AGAIN_LATER, LiveSocket
from .state import State
from .versions import read_history

logger = logging.getLogger("flask_nightferry")

#: The first message is awaited this long, and may be this large.
HELLO_SECONDS = 5.0
MAX_HELLO_BYTES = 65_536

#: A close code beside the ones that are 4000 and the HTTP status of an error. The reason is the error's code.
NO_HELLO = 4408


def open_live(app: Flask, state: State) -> Response:
    """Serves the current request, which is admitted. Raises ApiError where it can still be answered."""
    accepted = WSConnection(ConnectionType.SERVER)
    try:
        accepted.receive_data(_request_head(request))
        [event] = accepted.events()
        if not isinstance(event, Handshake):
            raise ProtocolError
    except (ProtocolError, ValueError):
        raise ApiError("invalid_request", "The WebSocket's handshake can't be read.") from None
    state.sockets.reserve()
    sock, dummy, handed_over = None, None, False
    try:
        sock, dummy = _take_over(request)
        with contextlib.suppress(OSError):  # the device has gone
            # Without extensions: what a device sends is short, and a compressor for each socket is not.
            sock.sendall(accepted.send(AcceptConnection()))
            handed_over = _greet(app, state, sock, accepted)
    finally:
        if not handed_over:
            state.sockets.release()
            if sock is not None:
                sock.close()
    # The server writes this to the dummy.
    response = Response(status=101)
    response.call_on_close(dummy.close)
    return response


def _greet(app: Flask, state: State, sock: socket.socket, ws: WSConnection) -> bool:
    """Reads the first message. Returns true if the sockets of the process have the socket now."""
    try:
        hello = wire.live_request(strict_json.parse(_first_message(sock, ws)))
        principal = _authenticated(app, state.authenticate, hello.token)
        asked_by(principal, hello.client)
        require_named(principal, hello.principal, hello.user)
        state.shared_tenant_warning.observe(principal)
        state.make_ready(app)
    except Exception as fault:
        code, reason = _close_of(fault)
        sock.settimeout(1.0)
        sock.sendall(ws.send(CloseConnection(code=code, reason=reason)))
        return False
    live = LiveSocket(sock, ws, principal.tenant, (principal.user, hello.client))
    # In this order: a change committed meanwhile is poked, or is in the version that is read.
    state.pokes.listen()
    state.sockets.add(live)
    try:
        with state.store.read() as connection:
            newest = read_history(connection, principal.tenant).last_version
        state.sockets.welcome(live, newest or None)
    except ApiError as error:
        state.sockets.dismiss(live, TRY_AGAIN_LATER, error.code)
    return True


class _NoHello(Exception):
    """The first message did not come in time, or is too large."""


def _close_of(fault: Exception) -> tuple[int, str]:
    """The code and the reason with which a socket is closed."""
    if isinstance(fault, ApiError):
        return (TRY_AGAIN_LATER if fault.retryable else 4000 + fault.status), fault.code
    if isinstance(fault, strict_json.InvalidJson):
        return 4400, "invalid_json"
    if isinstance(fault, _NoHello):
        return NO_HELLO, "no_hello"
    if isinstance(fault, OSError):
        raise fault
    logger.error("a live connection failed", exc_info=fault)
    return TRY_AGAIN_LATER, "internal"


def _first_message(sock: socket.socket, ws: WSConnection) -> str:
    """The device's first message. Raises OSError where the device has gone."""
    until = time.monotonic() + HELLO_SECONDS
    text = ""
    while True:
        sock.settimeout(max(0.001, until - time.monotonic()))
        try:
            data = sock.recv(4096)
        except TimeoutError:
            raise _NoHello from None
        if not data:
            raise ConnectionResetError
        try:
            ws.receive_data(data)
            for event in ws.events():
                if not isinstance(event, Message):
                    raise ConnectionResetError  # it closes, or sends what no device sends
                text += event.data if isinstance(event, TextMessage) else "\0"
                if len(text) > MAX_HELLO_BYTES:
                    raise _NoHello
                if event.message_finished:
                    return text
        except ProtocolError:
            raise ConnectionResetError from None


def _authenticated(app: Flask, authenticate: Authenticate | None, token: str | None) -> Principal:
    """The principal behind the request, or behind the token where there is one. Raises ApiError."""
    if token is None:
        return principal_of(request, authenticate)
    environ = request.environ | {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    with app.request_context(environ):
        # The app's own `before_request` may be what reads the token.
        if app.preprocess_request() is not None:
            raise unauthenticated()
        return principal_of(request, authenticate)


def _request_head(request: Request) -> bytes:
    """The request's head, as the protocol's implementation reads it."""
    kept = {"Host", "Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version"}
    lines = [f"{name}: {value}" for name, value in request.headers if name.title() in kept]
    return "\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode("latin-1")


def _take_over(request: Request) -> tuple[socket.socket, socket.socket]:
    """Takes the request's socket from the web server, which gets one end of a dummy in its place.

    Returns the socket and the dummy's other end. Raises ApiError where the server does not give it away.
    """
    theirs = request.environ.get("werkzeug.socket") or request.environ.get("gunicorn.socket")
    # A socket with TLS is more than its file descriptor.
    if type(theirs) is not socket.socket or os.name != "posix":
        logger.warning("live connections need Werkzeug's server, or gunicorn, without TLS; devices poll")
        raise ApiError(
            "unavailable", "This server keeps no live connections. Changes still arrive by asking for them."
        )
    ours = theirs.dup()
    end, dummy = socket.socketpair()
    with end:
        os.dup2(end.fileno(), theirs.fileno(), inheritable=False)
    return ours, dummy
