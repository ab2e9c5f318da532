"""Live connections, with a real server and a WebSocket client of another package."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Database, Device, MakeApp, authenticate, error_of, golden, postgresql_only, put
from flask import Flask, Request, g, request
from servers import Remote, gunicorn, werkzeug
from simple_websocket import Client, ConnectionClosed
from wsproto.frame_protocol import FrameProtocol

from flask_nightferry import Nightferry, Principal, live, sockets, wire
from flask_nightferry.state import state_of

CREATE = {"NIGHTFERRY_CREATE_TABLES": True}

#: Longer than anything takes that comes at all.
PATIENCE = 20


class Ear:
    """A device that listens."""

    def __init__(
        self,
        port: int,
        hello: Any = None,
        user: str | None = "ann",
        tenant: str = "acme",
        client: str = "laptop",
        **headers: str,
    ) -> None:
        named = {"X-User": user, "X-Tenant": tenant} if user is not None else {}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.socket = Client.connect(f"ws://127.0.0.1:{port}/nightferry/live", headers=named)
        if hello is not None or hello is False:
            if hello is not False:
                self.socket.send(hello if isinstance(hello, str) else json.dumps(hello))
            return
        self.socket.send(json.dumps({"protocol": 1, "client": client}))

    def poke(self) -> Any:
        text = self.socket.receive(timeout=PATIENCE)
        assert text is not None, "no poke came"
        message = json.loads(text)
        assert set(message) == {"version"}
        return message["version"]

    def heard_by(self, version: int) -> list[int]:
        """The pokes up to this version."""
        pokes = []
        while not pokes or pokes[-1] < version:
            pokes.append(self.poke())
        return pokes

    def closed_with(self) -> tuple[int, str | None]:
        try:
            while self.socket.receive(timeout=PATIENCE) is not None:
                pass
        except ConnectionClosed as closed:
            return int(closed.reason), closed.message
        raise AssertionError("it was not closed")

    def close(self) -> None:
        if self.socket.connected:
            self.socket.close()
        self.socket.thread.join()


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    with werkzeug(app) as (_, port):
        yield port


Listen = Callable[..., Ear]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Makes devices that listen, and closes them."""
    with ExitStack() as stack:

        def make(*arguments: Any, **fields: Any) -> Ear:
            ear = Ear(*arguments, **fields)
            stack.callback(ear.close)
            return ear

        yield make


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def upgrade(port: int, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """The HTTP answer to a handshake; without a body where it is accepted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    named = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "X-User": "ann",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", "/nightferry/live", headers={k: v for k, v in named.items() if v})
    response = connection.getresponse()
    body = None if response.status == 101 else json.loads(response.read())
    connection.close()
    return response.status, body, dict(response.getheaders())


def test_the_messages_are_as_in_their_goldens(app: Flask, port: int, listen: Listen) -> None:
    message = golden("live-request.json")["message"]
    read = wire.live_request(message)
    assert (read.client, read.principal, read.user, read.token) == (
        message["client"],
        message["principal"],
        message["user"],
        message["token"],
    )
    [pushed] = Device(app).push(put("a", 1))
    ear = listen(port, hello=message | {"principal": "acme/ann", "user": "ann"})
    assert json.dumps({"version": pushed["version"]}).replace(" ", "") == ear.socket.receive(PATIENCE)
    assert set(golden("live-poke.json")["message"]) == {"version"}


def test_the_first_poke_is_the_newest_version(app: Flask, port: int, listen: Listen) -> None:
    assert listen(port).poke() is None
    [pushed] = Device(app).push(put("a", 1))
    assert listen(port).poke() == pushed["version"]
    assert listen(port, tenant="other").poke() is None


def test_a_push_of_another_client_is_poked(app: Flask, port: int, listen: Listen) -> None:
    ear, bob = listen(port), listen(port, user="bob", client="phone")
    assert (ear.poke(), bob.poke()) == (None, None)
    phone = Device(app)
    [pushed] = phone.push(put("a", 1))
    assert ear.heard_by(pushed["version"])[-1] == pushed["version"]
    # A client of the same name of another user is another client.
    assert bob.heard_by(pushed["version"])[-1] == pushed["version"]
    # What the poke promised is there.
    assert phone.pull()["version"] == pushed["version"]


def test_no_poke_goes_to_other_tenants_nor_to_who_pushed(app: Flask, port: int, listen: Listen) -> None:
    own, stranger, witness = listen(port, client="phone"), listen(port, tenant="other"), listen(port)
    for ear in (own, stranger, witness):
        assert ear.poke() is None
    [first] = Device(app).push(put("a", 1))
    witness.heard_by(first["version"])
    Device(app).push(put("b", 1), put("", 1), n=2)
    [other] = Device(app, client="tablet").push(put("c", 1))
    [elsewhere] = Device(app, tenant="other", client="tablet").push(put("c", 1))
    # The next that each hears is the first that it should.
    assert own.poke() == other["version"]
    assert stranger.poke() == elsewhere["version"]
    assert witness.heard_by(other["version"])[-1] == other["version"]


def test_a_push_without_effect_pokes_nobody(app: Flask, port: int, listen: Listen) -> None:
    phone = Device(app)
    [first] = phone.push(put("a", 1))
    ear = listen(port)
    assert ear.poke() == first["version"]
    body = phone.push_body(put("a", 1), put("", 1))
    phone.post("push", body)
    phone.post("push", body)
    [second] = phone.push(put("b", 1))
    assert ear.poke() == second["version"]


@pytest.mark.parametrize("own", [True, False])
def test_what_python_writes_is_poked_once_it_is_committed(
    app: Flask, port: int, listen: Listen, own: bool
) -> None:
    nightferry = Nightferry(authenticate=authenticate)
    ear = listen(port)
    assert ear.poke() is None
    engine = state_of(app).store.engine
    with app.app_context():
        if own:
            version = nightferry.put("acme", "files", "a", 1)
        else:
            with engine.connect() as connection:
                nightferry.put("acme", "files", "lost", 1, connection=connection)
                connection.rollback()
                version = nightferry.put("acme", "files", "a", 1, connection=connection)
                nightferry.put("acme", "files", "b", 1, connection=connection)
                connection.commit()
    assert ear.poke() == version
    assert Device(app).everything() == {("files", "a"): 1} | ({} if own else {("files", "b"): 1})


def test_pokes_are_coalesced_and_the_newest_counts(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "POKE_SECONDS", 0.5)
    ear, phone = listen(port), Device(app)
    ear.poke()
    versions = [phone.push(put(str(number), 1))[0]["version"] for number in range(10)]
    pokes = ear.heard_by(versions[-1])
    assert pokes[-1] == versions[-1]
    assert len(pokes) < len(versions)
    assert pokes == sorted(set(pokes))


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_f39_pages_of_other_origins_get_no_socket(app: Flask, port: int, origin: str) -> None:
    status, body, _ = upgrade(port, Origin=origin)
    assert (status, body["error"]["code"]) == (403, "origin_refused")
    assert upgrade(port, Sec_Fetch_Site="cross-site")[0] == 403
    assert upgrade(port, Origin=f"http://127.0.0.1:{port}")[0] == 101
    assert upgrade(port)[0] == 101
    until(lambda: state_of(app).sockets.count() == 0)


def test_f39_a_configured_origin_gets_a_socket(make_app: MakeApp) -> None:
    with werkzeug(make_app(NIGHTFERRY_ORIGINS=["https://app.example"])) as (_, port):
        assert upgrade(port, Origin="https://app.example", Sec_Fetch_Site="cross-site")[0] == 101


def test_past_the_cap_it_is_503(make_app: MakeApp, listen: Listen) -> None:
    app = make_app(NIGHTFERRY_LIVE_SOCKETS=2)
    with werkzeug(app) as (_, port):
        ears = [listen(port), listen(port)]
        for ear in ears:
            ear.poke()
        status, body, headers = upgrade(port)
        assert (status, body["error"]["code"], body["error"]["retryable"]) == (503, "unavailable", True)
        assert int(headers["Retry-After"]) > 0
        ears[0].close()
        until(lambda: state_of(app).sockets.count() == 1)
        assert listen(port).poke() is None
    with werkzeug(make_app(NIGHTFERRY_LIVE_SOCKETS=0)) as (_, port):
        assert upgrade(port)[0] == 503


def test_one_user_does_not_take_all_places(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MAX_PER_USER", 2)
    ears = [listen(port, client=f"laptop-{number}") for number in range(2)]
    for ear in ears:
        assert ear.poke() is None
    assert listen(port, client="one-too-many").closed_with() == (1013, "unavailable")
    assert listen(port, user="bob").poke() is None
    ears[0].close()
    until(lambda: state_of(app).sockets.count() == 2)
    assert listen(port, client="again").poke() is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"principal": "acme/bob"}, (4403, "wrong_principal")),
        ({"user": "bob"}, (4403, "wrong_principal")),
        ({"principal": "acme/ann", "user": "ann"}, None),
        ({"protocol": 2}, (4400, "unsupported_protocol")),
        ({"client": "a b"}, (4400, "invalid_request")),
        ({"token": "a\r\nb"}, (4400, "invalid_request")),
        ({"token": ""}, (4400, "invalid_request")),
        ({"device": "\n"}, (4400, "invalid_request")),
    ],
)
def test_what_the_first_message_says_is_checked(
    app: Flask, port: int, listen: Listen, fields: dict[str, Any], code: Any
) -> None:
    ear = listen(port, hello={"protocol": 1, "client": "laptop"} | fields)
    if code is None:
        assert ear.poke() is None
        return
    assert ear.closed_with() == code
    until(lambda: state_of(app).sockets.count() == 0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", (4400, "invalid_json")),
        ("[]", (4400, "invalid_request")),
        ("x" * (live.MAX_HELLO_BYTES + 1), (live.NO_HELLO, "no_hello")),
    ],
)
def test_a_first_message_that_can_not_be_read_ends_the_connection(
    app: Flask, port: int, listen: Listen, text: str, code: Any
) -> None:
    assert listen(port, hello=text).closed_with() == code


def test_who_says_nothing_is_not_kept(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HELLO_SECONDS", 0.2)
    assert listen(port, hello=False).closed_with() == (live.NO_HELLO, "no_hello")
    until(lambda: state_of(app).sockets.count() == 0)


def test_who_is_not_signed_in_is_told_so(app: Flask, port: int, listen: Listen) -> None:
    assert listen(port, user=None).closed_with() == (4401, "unauthenticated")


def test_f39_a_token_is_what_an_authorization_header_would_be(make_app: MakeApp, listen: Listen) -> None:
    def by_token(asked: Request) -> Principal | None:
        # An app reads its request in many ways.
        assert asked.headers.get("Authorization") == request.headers.get("Authorization")
        bearer = asked.authorization.token if asked.authorization else None
        assert g.token == bearer
        return {"s3cret": Principal("acme", "ann"), "other": Principal("acme", "bob")}.get(bearer or "")

    app = make_app(Nightferry(authenticate=by_token), NIGHTFERRY_SHARED_TENANT=True)

    @app.before_request
    def read_token() -> None:
        g.token = request.authorization.token if request.authorization else None

    def hello(**fields: Any) -> dict[str, Any]:
        return {"protocol": 1, "client": "laptop"} | fields

    with werkzeug(app) as (_, port):
        assert listen(port, hello=hello(token="s3cret", user="ann"), user=None).poke() is None
        refused = listen(port, hello=hello(token="other", user="ann"), user=None)
        assert refused.closed_with() == (4403, "wrong_principal")
        refused = listen(port, hello=hello(token="wrong"), user=None)
        assert refused.closed_with() == (4401, "unauthenticated")
        assert listen(port, hello=hello(), user=None).closed_with() == (4401, "unauthenticated")
        let_in = listen(port, hello=hello(), user=None, Authorization="Bearer s3cret")
        assert let_in.poke() is None


def test_f39_anonymous_mode_keeps_its_rule(make_app: MakeApp, listen: Listen) -> None:
    app = make_app(Nightferry(), NIGHTFERRY_ALLOW_ANONYMOUS=True)
    with werkzeug(app) as (_, port):
        assert listen(port, user=None).poke() is None
        status, body, _ = upgrade(port, Host="evil.example")
        assert (status, body["error"]["code"]) == (403, "anonymous_refused")


def test_what_is_no_websocket_is_told_so(app: Flask, port: int, device: Device) -> None:
    assert error_of(device.http.get("/nightferry/live")) == (400, "invalid_request")
    assert error_of(device.http.post("/nightferry/live")) == (405, "method_not_allowed")
    status, body, _ = upgrade(port, Sec_WebSocket_Key="")
    assert (status, body["error"]["code"]) == (400, "invalid_request")
    # A server that does not give its sockets away: the device polls.
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    handshake |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert error_of(device.http.get("/nightferry/live", headers=handshake)) == (503, "unavailable")
    assert state_of(app).sockets.count() == 0


@contextmanager
def stuck(port: int) -> Iterator[socket.socket]:
    """A device that says who it is, and then never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    sock.connect(("127.0.0.1", port))
    with sock:
        sock.sendall(
            b"GET /nightferry/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"X-User: ann\r\nX-Tenant: acme\r\n\r\n"
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += sock.recv(1)
        text = b'{"protocol":1,"client":"stuck"}'
        sock.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        assert sock.recv(1) == b"\x81"  # the first poke
        yield sock


def test_a_stuck_socket_slows_neither_pushes_nor_others(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pokes so long, and so many, that they fill what the kernel holds for a reader who does not read.
    monkeypatch.setattr(sockets, "POKE_SECONDS", 0.0)
    frames = FrameProtocol(client=False, extensions=[])
    monkeypatch.setattr(sockets, "poke_frame", lambda v: frames.send_data("x" * 50_000 + str(v), fin=True))
    phone, ear = Device(app), listen(port)
    with stuck(port):
        last, poke, times = 0, "", []
        for number in range(150):
            began = time.monotonic()
            last = phone.push(put(str(number), 1))[0]["version"]
            while str(last) not in (poke := ear.socket.receive(timeout=PATIENCE) or "gone"):
                assert poke != "gone"
            times.append(time.monotonic() - began)
    # Of each change by itself: how long all of them take depends on what else the machine does.
    assert max(times) < PATIENCE


def test_a_dead_socket_is_noticed(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PING_SECONDS", 0.2)
    monkeypatch.setattr(sockets, "SWEEP_SECONDS", 0.05)
    alive = listen(port)
    alive.poke()
    with stuck(port):
        assert state_of(app).sockets.count() == 2
        until(lambda: state_of(app).sockets.count() == 1)
    # Who answers pings stays.
    [pushed] = Device(app).push(put("a", 1))
    assert alive.heard_by(pushed["version"])


def test_an_old_socket_is_closed_and_may_come_again(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "LIFE_SECONDS", 0.2)
    monkeypatch.setattr(sockets, "SWEEP_SECONDS", 0.05)
    assert listen(port).closed_with()[0] == sockets.GOING_AWAY
    until(lambda: state_of(app).sockets.count() == 0)


def test_what_a_device_says_later_is_no_fault(app: Flask, port: int, listen: Listen) -> None:
    ear = listen(port)
    ear.poke()
    for text in ("", "{}", "x" * 100_000):
        ear.socket.send(text)
    [pushed] = Device(app).push(put("a", 1))
    assert ear.poke() == pushed["version"]


def test_sockets_take_no_threads_of_gunicorn(tmp_path: Path, database: Database, listen: Listen) -> None:
    with gunicorn(tmp_path, CREATE | database.options, threads=2) as address:
        ears = [listen(address[1], client=f"laptop-{number}") for number in range(8)]
        for ear in ears:
            assert ear.poke() is None
        [pushed] = Remote(address, "phone").push(put("a", 1))
        assert [ear.heard_by(pushed["version"])[-1] for ear in ears] == [pushed["version"]] * 8


@postgresql_only
def test_pokes_reach_the_sockets_of_other_processes(
    tmp_path: Path, database: Database, listen: Listen
) -> None:
    with gunicorn(tmp_path, CREATE | database.options, processes=3, threads=2) as address:
        ears = [listen(address[1], client=f"laptop-{number}") for number in range(12)]
        for ear in ears:
            ear.poke()
        phone = Remote(address, "phone")
        for number in range(5):
            [pushed] = phone.push(put(str(number), 1))
            assert [ear.heard_by(pushed["version"])[-1] for ear in ears] == [pushed["version"]] * 12


@postgresql_only
def test_the_bus_listens_again_after_its_connection_was_lost(
    app: Flask, port: int, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_nightferry.pokes.RETRY_SECONDS", (0.1,))
    ear = listen(port)
    ear.poke()
    engine = state_of(app).store.engine

    def listeners() -> set[int]:
        query = "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN nightferry' AND state = 'idle'"
        with engine.connect() as connection:
            return {row.pid for row in connection.exec_driver_sql(query)}

    lost = listeners()
    assert lost
    with engine.connect() as connection:
        for pid in lost:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    until(lambda: bool(listeners() - lost))
    with engine.begin() as connection:  # as another process does
        connection.exec_driver_sql('SELECT pg_notify(\'nightferry\', \'[["acme", 7, "bob", "phone"]]\')')
    assert ear.poke() == 7
