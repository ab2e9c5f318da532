"""Pokes to many sockets: how long they take, what they cost in memory, and what they cost a push.

    ../target/nightferry/venv/bin/python benchmarks/live.py

One gunicorn process with four threads on SQLite, 1,000 devices that listen. Compare the lines of one run: the
rest depends on the machine.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import put
from servers import Address, Remote, gunicorn

SOCKETS = 1000
#: Those of one user.
USERS_SOCKETS = 10
PUSHES = 100
#: Longer than the time in which a socket gets one poke, so that none is put together with the next.
PAUSE_SECONDS = 0.1


def main() -> None:
    config = {"NIGHTFERRY_CREATE_TABLES": True, "NIGHTFERRY_LIVE_SOCKETS": SOCKETS}
    with (
        tempfile.TemporaryDirectory() as folder,
        gunicorn(Path(folder), config, threads=4) as address,
    ):
        phone = Remote(address, "phone")
        phone.push(put("first", 1))
        before = memory()
        alone = [push(phone, number)[0] for number in range(PUSHES)]
        print(f"a push, no sockets:      {shown(alone)}")
        listeners = [listener(address, number) for number in range(SOCKETS)]
        print(f"memory: {(memory() - before) / SOCKETS:.1f} KB a socket")
        pushes, pokes = [], []
        for number in range(PUSHES, 2 * PUSHES):
            time.sleep(PAUSE_SECONDS)
            taken, answered = push(phone, number)
            pushes.append(taken)
            pokes.append(all_poked(listeners) - answered)
        print(f"a push, {SOCKETS} sockets:    {shown(pushes)}")
        print(f"its answer to last poke: {shown(pokes)}")


def push(phone: Remote, number: int) -> tuple[float, float]:
    """Pushes; the seconds that it took, and when it was answered."""
    began = time.monotonic()
    phone.push(put(str(number), {"number": number}))
    answered = time.monotonic()
    return answered - began, answered


def listener(address: Address, number: int) -> socket.socket:
    """A device that has pokes its first poke."""
    sock = socket.create_connection(address)
    sock.sendall(
        b"GET /nightferry/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"X-Tenant: acme\r\n" + f"X-User: user-{number // USERS_SOCKETS}\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    text = json.dumps({"protocol": 1, "client": f"laptop-{number}"}).encode()
    sock.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    sock.recv(1000)
    return sock


def all_poked(listeners: list[socket.socket]) -> float:
    """When each of the devices has pokes something."""
    with selectors.DefaultSelector() as selector:
        for sock in listeners:
            selector.register(sock, selectors.EVENT_READ, sock)
        while selector.get_map():
            for key, _ in selector.select():
                if not key.data.recv(1000):
                    raise ConnectionResetError
                selector.unregister(key.data)
    return time.monotonic()


def memory() -> float:
    """KB of the largest gunicorn process."""
    sizes = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_text()
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if "served_app:app" in command:
            sizes.append(float(fields["VmRSS"].split()[0]))
    return max(sizes)


def shown(seconds: list[float]) -> str:
    """Median and 95th percentile."""
    median, p95 = statistics.median(seconds), sorted(seconds)[len(seconds) * 95 // 100]
    return f"median {median * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms"


if __name__ == "__main__":
    main()
