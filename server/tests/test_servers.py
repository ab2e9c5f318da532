"""What only a real server shows: several processes and threads, and bodies as they come over a line."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Database, MakeApp, postgresql_only, put, until
from servers import Address, Remote, gunicorn, request, werkzeug

from flask_nightferry import admission

WRITERS = 8
PUSHES_EACH = 40
HELD_SECONDS = 2


class Reader:
    """A device that pulls as fast as it can, until the writers are done."""

    def __init__(self, address: Address) -> None:
        self.seen: set[str] = set()
        self.pulls = 0
        self._device = Remote(address, "reader")
        self._done = threading.Event()

    def run(self) -> None:
        cursors: dict[str, str | None] = {"files": None}
        while True:
            last = self._done.is_set()
            page = self._device.pull(cursors)
            self.pulls += 1
            cursors = page["cursors"]
            self.seen |= {change["id"] for change in page["changes"]}
            if last and not page["more"]:
                return

    def finish(self) -> None:
        """The pull that begins after this is the last."""
        self._done.set()


def write_and_read(address: Address) -> tuple[set[str], Reader]:
    """Eight writers at once, of which one is held up twice; returns what they wrote, and what was read."""
    reader = Reader(address)

    def write(name: str) -> list[str]:
        device = Remote(address, name)
        ids = [f"{name}-{i}" for i in range(PUSHES_EACH)]
        if name == "holder":
            # In its hook, and then with its transaction open.
            ids = ids[:2]
            device.push(put(ids[0], {"hook": HELD_SECONDS}))
            device.push(put(ids[1], 1))
            return ids
        for id_ in ids:
            device.push(put(id_, 1))
            time.sleep(HELD_SECONDS / PUSHES_EACH)
        return ids

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        reading = threads.submit(reader.run)
        writing = threads.map(write, ["holder", *(f"w{i}" for i in range(WRITERS - 1))])
        try:
            written = {id_ for ids in writing for id_ in ids}
        finally:
            reader.finish()
        reading.result()
    return written, reader


@postgresql_only
def test_a_pull_skips_no_transaction_of_four_processes(tmp_path: Path, database: Database) -> None:
    config = database.options | {"NIGHTFERRY_CREATE_TABLES": True}
    with gunicorn(tmp_path, config, processes=4, hold=HELD_SECONDS) as address:
        written, reader = write_and_read(address)
    assert len(written) == (WRITERS - 1) * PUSHES_EACH + 2
    assert reader.seen == written
    assert reader.pulls > 20


@postgresql_only
def test_a_naive_numbering_would_be_seen_to_skip(tmp_path: Path, database: Database) -> None:
    """The same writers and reader, over versions that are given without the lock."""
    config = database.options | {"NIGHTFERRY_CREATE_TABLES": True}
    with gunicorn(tmp_path, config, processes=4, hold=HELD_SECONDS, naive=True) as address:
        Remote(address, "first").push(put("first", 1))
        written, reader = write_and_read(address)
    assert {"holder-0", "holder-1"} <= written - reader.seen


def test_f77_a_hook_that_hangs_takes_neither_all_threads_nor_another_tenant(
    tmp_path: Path, database: Database
) -> None:
    config = database.options | {"NIGHTFERRY_CREATE_TABLES": True}
    (tmp_path / "instance").mkdir()
    places = admission.UNDER_WAY + admission.WAITING
    with gunicorn(tmp_path, config, threads=12) as address, ThreadPoolExecutor(40) as threads:
        Remote(address, "first").push(put("a", 1))
        pushes = [
            threads.submit(Remote(address, f"c{i}").try_push, put(f"hangs {i}", {"until": "go"}))
            for i in range(40)
        ]
        try:
            until(lambda: sum(push.done() for push in pushes) >= 40 - places)
            assert request(address, "GET", "health")[0] == 200
            assert Remote(address, "other", tenant="other").try_push(put("a", 1))[0] == 200
            hanging = [push for push in pushes if not push.done()]
            assert admission.UNDER_WAY <= len(hanging) <= places
        finally:
            (tmp_path / "instance" / "go").touch()
        answers = [push.result() for push in pushes]
    # Who waited may have waited too long.
    statuses = [status for status, _, _ in answers]
    assert admission.UNDER_WAY <= statuses.count(200) <= places
    for status, headers, body in answers:
        if status != 200:
            assert (status, body["error"]["code"]) == (503, "unavailable")
            assert int(headers["Retry-After"]) > 0


@pytest.fixture(params=["werkzeug", "gunicorn"])
def line(request: pytest.FixtureRequest, make_app: MakeApp, tmp_path: Path) -> Iterator[Address]:
    """A server of each kind."""
    if request.param == "werkzeug":
        with werkzeug(make_app()) as address:
            yield address
    else:
        with gunicorn(tmp_path, {"NIGHTFERRY_CREATE_TABLES": True}) as address:
            yield address


BODY = json.dumps({"protocol": 1, "client": "c", "slices": {}}).encode()

BAD_BODIES = {
    "cut off in a chunk": b"40\r\n" + BODY[:20],
    "cut off behind a chunk": b"%x\r\n%s\r\n" % (len(BODY), BODY),
    "cut off in a size": b"4",
    "empty": b"",
    "size that is no number": b"zz\r\n" + BODY,
    "negative size": b"-4\r\n" + BODY,
    "chunk longer than its size": b"4\r\n%s\r\n0\r\n\r\n" % BODY,
    "no chunks at all": BODY,
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_f78_a_chunked_body_that_is_cut_off_or_badly_framed_is_a_client_error(
    line: Address, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    good = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert send_chunked(line, good)[0] == 200
    for name, body in BAD_BODIES.items():
        status, answer = send_chunked(line, body)
        assert (status, answer["error"]["code"]) == (400, "invalid_request"), name
        assert answer["error"]["message"].endswith("."), name
    assert send_chunked(line, good)[0] == 200
    log = tmp_path / "gunicorn.log"
    assert "Traceback" not in caplog.text + (log.read_text() if log.exists() else "")


def send_chunked(address: Address, body: bytes) -> tuple[int, Any]:
    """Sends a pull with these bytes as its chunked body, and then closes this end."""
    head = (
        b"POST /nightferry/pull HTTP/1.1\r\nHost: localhost\r\nX-User: ann\r\nX-Tenant: acme\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(content)
