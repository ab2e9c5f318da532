"""Real servers around the tests' app: Werkzeug's, and gunicorn with several processes."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

Address = tuple[str, int]

START_SECONDS = 30


@contextmanager
def werkzeug(app: Flask) -> Iterator[Address]:
    """The server of `flask run`, in this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield ("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def gunicorn(
    folder: Path,
    config: dict[str, Any],
    *,
    processes: int = 1,
    threads: int = 16,
    naive: bool = False,
    lock_first: bool = False,
    hold: float = 0,
) -> Iterator[Address]:
    """gunicorn with `served_app.py`; its log is `gunicorn.log` in the folder."""
    settings = {"instance": str(folder / "instance"), "config": config, "hold": hold}
    settings |= {"naive": naive, "lock_first": lock_first}
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listener,
        (folder / "gunicorn.log").open("wb") as log,
    ):
        arguments = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"),
            *("--worker-class", "gthread", "--workers", str(processes), "--threads", str(threads)),
            *("--no-control-socket", "served_app:app"),
        ]
        server = subprocess.Popen(
            arguments,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parent,
            pass_fds=[listener.fileno()],
            env=os.environ | {"NIGHTFERRY_TEST_APP": json.dumps(settings)},
        )
        address: Address = listener.getsockname()
        try:
            wait_until_healthy(server, address, folder / "gunicorn.log")
            yield address
        finally:
            server.terminate()
            server.wait(START_SECONDS)


def wait_until_healthy(
    server: subprocess.Popen[bytes], address: Address, log: Path, within: float = START_SECONDS
) -> None:
    """Waits until gunicorn answers; `within` is in seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if request(address, "GET", "health", timeout=within)[0] == 200:
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"gunicorn does not start: {log.read_text()}")


def request(
    address: Address, method: str, path: str, body: Any = None, timeout: float = 60, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """One request on a connection of its own: status, headers and JSON of the answer."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, f"/nightferry/{path}", data, {"Content-Type": "application/json"} | named)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), json.loads(response.read())
    finally:
        connection.close()


class Remote:
    """One client of one user of a served app."""

    def __init__(self, address: Address, client: str, user: str = "ann", tenant: str = "acme") -> None:
        self.address = address
        self.client = client
        self.principal = f"{tenant}/{user}"
        self.headers = {"X_User": user, "X_Tenant": tenant}
        self.n = 0

    def try_push(self, *mutations: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        """Sends a new push once."""
        self.n += 1
        return self._send(mutations)

    def push(self, *mutations: dict[str, Any]) -> list[dict[str, Any]]:
        """Sends a push until it is answered, as a device does."""
        status, _, body = self.try_push(*mutations)
        while status == 503:
            time.sleep(0.05)
            status, _, body = self._send(mutations)
        assert status == 200, body
        results: list[dict[str, Any]] = body["results"]
        return results

    def pull(self, slices: dict[str, str | None]) -> dict[str, Any]:
        body = {"protocol": 1, "client": self.client, "principal": self.principal, "slices": slices}
        status, _, page = request(self.address, "POST", "pull", body, **self.headers)
        assert status == 200, page
        found: dict[str, Any] = page
        return found

    def _send(self, mutations: tuple[dict[str, Any], ...]) -> tuple[int, dict[str, str], Any]:
        body = {"protocol": 1, "client": self.client, "principal": self.principal}
        body |= {"n": self.n, "tag": f"tag-{self.n}", "mutations": list(mutations)}
        return request(self.address, "POST", "push", body, **self.headers)
