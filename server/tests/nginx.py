"""An nginx of the tests' own: in a temporary folder, without root's ports, gone with the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = (
    "nginx is missing. On Debian or Ubuntu: `sudo apt-get install nginx`; elsewhere put it into PATH, or "
    "name it in NIGHTFERRY_NGINX. `pytest -k 'not nginx'` runs the tests without it."
)

START_SECONDS = 30


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def nginx(folder: Path, site: str, port: int) -> Iterator[None]:
    """Runs nginx with a file of `sites-enabled`, whose servers listen on `port` among others."""
    (folder / "site.conf").write_text(site, encoding="utf-8")
    (folder / "nginx.conf").write_text(_MAIN.replace("USER", _user()), encoding="utf-8")
    (folder / "temporary").mkdir()
    with (folder / "nginx.log").open("wb") as log:
        server = subprocess.Popen(
            [_program(), "-p", folder, "-e", "error.log", "-c", "nginx.conf"], stdout=log, stderr=log
        )
    try:
        _wait_until_it_listens(server, port, folder)
        yield
    finally:
        server.terminate()
        server.wait(START_SECONDS)


#: What a distribution's nginx.conf leaves to nginx's defaults is left to them here, too.
_MAIN = """
USER
daemon off;
worker_processes 1;
pid nginx.pid;
events {}
http {
    access_log access.log;
    client_body_temp_path temporary/body;
    proxy_temp_path temporary/proxy;
    fastcgi_temp_path temporary/fastcgi;
    uwsgi_temp_path temporary/uwsgi;
    scgi_temp_path temporary/scgi;
    include site.conf;
}
"""


def _user() -> str:
    # The temporary folder is for its owner alone.
    return "user root;" if os.getuid() == 0 else ""


def _program() -> str:
    found = os.environ.get("NIGHTFERRY_NGINX") or shutil.which(
        "nginx", path=f"{os.environ['PATH']}:/usr/sbin"
    )
    if found is None:
        raise RuntimeError(MISSING)
    return found


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    logs = [path.read_text() for path in (folder / "nginx.log", folder / "error.log") if path.exists()]
    raise RuntimeError(f"nginx does not start: {' '.join(logs)}")
