"""The WebSockets of one process: one thread writes pokes to all of them.

A poke is `{"version": N}`: the tenant has this version, so pull. Only the newest counts, so a socket that
can't take one now gets a later one instead. Nothing waits for a socket: not a push, and not another socket.
"""

from __future__ import annotations

import functools
import logging
import os
import selectors
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from wsproto import WSConnection
from wsproto.events import CloseConnection, Event, Ping
from wsproto.frame_protocol import FrameProtocol
from wsproto.utilities import ProtocolError

from .errors import ApiError
from .strict_json import text_of

logger = logging.getLogger("flask_nightferry")

#: The author of a change: user and client. A client is not poked for its own changes.
Author = tuple[str, str]

#: The app's own code.
NOBODY: Author = ("", "")

#: A socket gets at most one poke in this time; the first one at once.
POKE_SECONDS = 0.05
#: A socket from which nothing came for this long is pinged; for twice as long, it is dropped.
PING_SECONDS = 25.0
#: A socket is closed at this age. Its device connects and authenticates again.
LIFE_SECONDS = 3600.0
#: How often the two above are looked at.
SWEEP_SECONDS = 1.0

#: Sockets of one user in a process. So no user takes all places.
MAX_PER_USER = 50

GOING_AWAY = 1001
TRY_AGAIN_LATER = 1013

#: The first thing that a socket gets: the version of its tenant, or its end.
First = int | None | CloseConnection


@dataclass(eq=False)
class LiveSocket:
    """A device that waits for pokes. From `Sockets.add` on, it belongs to the thread of the sockets."""

    sock: socket.socket
    ws: WSConnection
    tenant: str
    author: Author
    #: The newest version that the device has to be poked with; 0 for none.
    pending: int = 0
    #: The newest version that it was poked with.
    last_poke: int = 0
    #: Monotonic seconds: when the next poke may go, when something was last received, when it was last
    #: pinged, when it was opened.
    next_poke: float = 0.0
    last_received: float = field(default_factory=time.monotonic)
    pinged: float = field(default_factory=time.monotonic)
    opened: float = field(default_factory=time.monotonic)
    #: Bytes that the line did not take yet. While there are any, no further poke is written.
    unsent: bytearray = field(default_factory=bytearray)
    waits_to_write: bool = False
    #: A close was sent. The socket is dropped at the device's answer, or at the next sweep.
    closing: bool = False


class Sockets:
    """All sockets of a process, and the thread that serves them. A forked process has a thread of its own."""

    _pid: int
    _places: int
    _thread: threading.Thread | None
    #: Wakes the thread, as long as there is one.
    _bell: socket.socket | None
    _awake: bool
    _ends: bool
    #: The work that the thread has to do.
    _added: list[LiveSocket]
    _firsts: list[tuple[LiveSocket, First]]
    _offers: dict[str, dict[Author, int]]

    def __init__(self, limit: int) -> None:
        """`limit` is the most sockets that this process holds, those that are not yet admitted included."""
        self._limit = limit
        self._lock = threading.Lock()
        self._reset()

    def reserve(self) -> None:
        """Takes a place, to be given back by `release`, or by the end of the socket that was added.

        Raises ApiError `unavailable` where all are taken.
        """
        with self._lock:
            self._require_own_process()
            if self._places >= self._limit:
                raise ApiError(
                    "unavailable",
                    "The server holds as many live connections as it may. Changes still arrive by asking.",
                )
            self._places += 1

    def release(self) -> None:
        """Gives a place back."""
        with self._lock:
            self._places -= 1

    def add(self, live: LiveSocket) -> None:
        """Begins to poke. The caller has a place for it, and does not touch it any more."""
        live.sock.setblocking(False)
        with self._lock:
            self._require_own_process()
            self._added.append(live)
            if self._thread is None:
                alarm, self._bell = socket.socketpair()
                alarm.setblocking(False)
                self._bell.setblocking(False)
                loop = _Loop(alarm, self.release)
                self._thread = threading.Thread(
                    target=self._serve, args=[loop], name="nightferry-live", daemon=True
                )
                self._thread.start()
            self._wake()

    def welcome(self, live: LiveSocket, version: int | None) -> None:
        """Sends the first poke to a socket that was added: the version that its tenant has now."""
        with self._lock:
            self._firsts.append((live, version))
            self._wake()

    def dismiss(self, live: LiveSocket, code: int, reason: str) -> None:
        """Closes a socket that was added."""
        with self._lock:
            self._firsts.append((live, CloseConnection(code, reason)))
            self._wake()

    def poke(self, tenant: str, version: int, author: Author = NOBODY) -> None:
        """Tells the devices of a tenant that it has this version. Returns at once."""
        with self._lock:
            self._require_own_process()
            if self._places == 0:
                return
            offered = self._offers[tenant]
            offered[author] = max(version, offered.get(author, 0))
            self._wake()

    def close(self) -> None:
        """Closes all sockets, and ends their thread."""
        with self._lock:
            thread, self._ends = self._thread, True
            self._wake()
        if thread is not None and self._pid == os.getpid():
            thread.join()
        if self._bell is not None:
            self._bell.close()

    def count(self) -> int:
        """The places that are taken."""
        with self._lock:
            self._require_own_process()
            return self._places

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._places = 0
        self._thread = None
        self._bell = None
        self._awake = False
        self._ends = False
        self._added = []
        self._firsts = []
        self._offers = defaultdict(dict)

    def _require_own_process(self) -> None:
        if self._pid != os.getpid():
            self._reset()

    def _wake(self) -> None:
        if self._bell is not None and not self._awake:
            self._awake = True
            self._bell.send(b"\0")

    def _serve(self, loop: _Loop) -> None:
        while True:
            loop.wait()
            with self._lock:
                added, self._added = self._added, []
                firsts, self._firsts = self._firsts, []
                offers, self._offers = self._offers, defaultdict(dict)
                self._awake = False
                ends = self._ends
            if ends:
                loop.close(added)
                return
            try:
                loop.turn(added, firsts, offers)
            except Exception:
                logger.exception("the thread of the live connections met a fault and goes on")


class _Loop:
    """The state of the thread of the sockets. No other thread touches it."""

    def __init__(self, alarm: socket.socket, release: Callable[[], None]) -> None:
        self._alarm = alarm
        self._release = release
        self._selector = selectors.DefaultSelector()
        self._selector.register(alarm, selectors.EVENT_READ)
        self._by_tenant: dict[str, set[LiveSocket]] = defaultdict(set)
        self._due: set[LiveSocket] = set()
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        self._ready: list[tuple[LiveSocket, int]] = []

    def wait(self) -> None:
        """Waits until there is something to do."""
        until = min([self._next_sweep, *(live.next_poke for live in self._due if not live.unsent)])
        self._ready = []
        for key, events in self._selector.select(max(0.0, until - time.monotonic())):
            if key.fileobj is self._alarm:
                self._alarm.recv(4096)
            else:
                self._ready.append((key.data, events))

    def close(self, added: list[LiveSocket]) -> None:
        """Closes everything."""
        for live in {*added, *(live for lives in self._by_tenant.values() for live in lives)}:
            live.sock.close()
            self._release()
        self._selector.close()
        self._alarm.close()

    def turn(
        self,
        added: list[LiveSocket],
        firsts: list[tuple[LiveSocket, First]],
        offers: dict[str, dict[Author, int]],
    ) -> None:
        """Does what is to be done now."""
        now = time.monotonic()
        for live in added:
            self._selector.register(live.sock, selectors.EVENT_READ, live)
            of_tenant = self._by_tenant[live.tenant]
            of_tenant.add(live)
            if sum(other.author[0] == live.author[0] for other in of_tenant) > MAX_PER_USER:
                self._close(live, CloseConnection(TRY_AGAIN_LATER, "unavailable"))
        for live, first in firsts:
            if live.closing:
                continue
            if isinstance(first, CloseConnection):
                self._close(live, first)
            elif not live.last_poke or live.last_poke < (first or 0):
                live.last_poke = first or 0
                self._write(live, poke_frame(first))
        for live, events in self._ready:
            if events & selectors.EVENT_READ:
                self._read(live, now)
            if events & selectors.EVENT_WRITE:
                self._flush(live)
        for tenant, offered in offers.items():
            for live in self._by_tenant.get(tenant, ()):
                self._offer(live, offered)
        for live in [live for live in self._due if live.next_poke <= now and not live.unsent]:
            if live.closing:
                self._due.discard(live)
            else:
                self._poke(live, now)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            for lives in [*self._by_tenant.values()]:
                for live in [*lives]:
                    self._sweep(live, now)

    def _offer(self, live: LiveSocket, offered: dict[Author, int]) -> None:
        newest = max((version for author, version in offered.items() if author != live.author), default=0)
        if newest > max(live.pending, live.last_poke):
            live.pending = newest
            self._due.add(live)

    def _poke(self, live: LiveSocket, now: float) -> None:
        self._due.discard(live)
        live.last_poke, live.pending = live.pending, 0
        live.next_poke = now + POKE_SECONDS
        self._write(live, poke_frame(live.last_poke))

    def _sweep(self, live: LiveSocket, now: float) -> None:
        if live.closing or now - live.last_received >= 2 * PING_SECONDS:
            self._drop(live)
        elif now - live.opened >= LIFE_SECONDS:
            self._close(live, CloseConnection(GOING_AWAY))
        elif now - max(live.last_received, live.pinged) >= PING_SECONDS:
            live.pinged = now
            self._send(live, Ping())

    def _close(self, live: LiveSocket, close: CloseConnection) -> None:
        live.closing = True
        self._send(live, close)

    def _read(self, live: LiveSocket, now: float) -> None:
        try:
            data = live.sock.recv(4096)
            if not data:
                self._drop(live)
                return
            live.last_received = now
            live.ws.receive_data(data)
            for event in live.ws.events():
                if isinstance(event, Ping):
                    self._send(live, event.response())
                elif isinstance(event, CloseConnection):
                    if not live.closing:
                        self._send(live, event.response())
                    self._drop(live)
                # Whatever else a device sends is for a later version of this protocol.
        except BlockingIOError:
            return
        except (OSError, ProtocolError):
            self._drop(live)

    def _send(self, live: LiveSocket, event: Event) -> None:
        try:
            self._write(live, live.ws.send(event))
        except ProtocolError:
            self._drop(live)

    def _write(self, live: LiveSocket, data: bytes) -> None:
        if live.sock.fileno() < 0:
            return
        live.unsent += data
        if len(live.unsent) > 65_536:
            self._drop(live)  # it pings, and takes no answer
            return
        self._flush(live)

    def _flush(self, live: LiveSocket) -> None:
        if live.sock.fileno() < 0:
            return
        try:
            del live.unsent[: live.sock.send(live.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(live)
            return
        if bool(live.unsent) != live.waits_to_write:
            live.waits_to_write = bool(live.unsent)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if live.unsent else 0)
            self._selector.modify(live.sock, events, live)

    def _drop(self, live: LiveSocket) -> None:
        if live.sock.fileno() < 0:
            return
        self._due.discard(live)
        self._by_tenant[live.tenant].discard(live)
        if not self._by_tenant[live.tenant]:
            del self._by_tenant[live.tenant]
        self._selector.unregister(live.sock)
        live.sock.close()
        self._release()


@functools.lru_cache(maxsize=16)
def poke_frame(version: int | None) -> bytes:
    """A poke as it goes to every socket. Without extensions, a server's frame is the same on each."""
    text = text_of({"version": version})
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))
