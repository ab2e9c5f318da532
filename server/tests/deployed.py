"""The files of docs/deployment.md, started as they are: PostgreSQL, gunicorn, nginx.

As a program it starts them for a browser.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import trustme
from nginx import free_port, nginx
from postgresql import plain, private_server
from servers import Address, wait_until_healthy
from sqlalchemy.engine import URL

FILES = Path(__file__).parents[2] / "examples" / "deployment"

#: What nginx does with nothing but this line.
DEFAULT_SITE = "server { listen 127.0.0.1:PORT; location / { proxy_pass http://127.0.0.1:GUNICORN; } }"

START_SECONDS = 60

_databases = itertools.count(1)


@dataclass
class Site:
    """The app as people reach it."""

    port: int
    log: Path
    tls: ssl.SSLContext | None = None

    @property
    def origin(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def open(self) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


class Project:
    """The files in a folder, with a database of their own."""

    def __init__(self, folder: Path, server: URL) -> None:
        self.folder = folder / "notes"
        shutil.copytree(FILES, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        name = f"notes_{next(_databases)}"
        with psycopg.connect(plain(server), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self.url = server.set(database=name).render_as_string(hide_password=False)
        self.environment = os.environ | {
            "FLASK_SECRET_KEY": "f" * 64,
            "FLASK_SQLALCHEMY_DATABASE_URI": self.url,
        }

    def flask(self, *arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def prepare(self) -> None:
        """What the page says to do once."""
        self.flask("nightferry", "init-db")
        self.flask("db", "init")
        self.flask("db", "migrate")
        self.flask("db", "upgrade")
        for name in ("ann", "eve", "kim"):
            self.flask("add-user", name, typed="secret\nsecret\n")

    @contextlib.contextmanager
    def gunicorn(self, *arguments: str) -> Iterator[tuple[int, Path]]:
        """`gunicorn` in the folder; gives its port and its log."""
        log = self.folder / "gunicorn.log"
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, log.open("wb") as out:
            bind = ["--bind", f"fd://{listener.fileno()}", "--no-control-socket"]
            server = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *bind, *arguments],
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env=self.environment,
                pass_fds=[listener.fileno()],
            )
            address: Address = listener.getsockname()
            try:
                wait_until_healthy(server, address, log, within=START_SECONDS)
                yield address[1], log
            finally:
                server.terminate()
                server.wait(START_SECONDS)


@contextlib.contextmanager
def documented(project: Project, folder: Path) -> Iterator[Site]:
    """nginx with the page's server, before gunicorn with the page's configuration."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "notes.example")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    port = free_port()
    with project.gunicorn() as (gunicorn_port, log):
        site = (FILES / "nginx.conf").read_text(encoding="utf-8")
        for line, ours in (
            ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
            ("/etc/letsencrypt/live/notes.example/fullchain.pem", "both.pem"),
            ("/etc/letsencrypt/live/notes.example/privkey.pem", "both.pem"),
            ("http://127.0.0.1:8000", f"http://127.0.0.1:{gunicorn_port}"),
        ):
            assert site.count(line) == 1, line
            site = site.replace(line, ours)
        with nginx(folder, site, port):
            yield Site(port, log, tls)


@contextlib.contextmanager
def bare(project: Project, folder: Path) -> Iterator[Site]:
    """nginx with nothing but `proxy_pass`."""
    port = free_port()
    with project.gunicorn("--preload") as (gunicorn_port, log):
        site = DEFAULT_SITE.replace("PORT", f"{port}").replace("GUNICORN", f"{gunicorn_port}")
        with nginx(folder, site, port):
            yield Site(port, log)


def main() -> None:
    """Says where the documented site is, as a line of JSON, and ends with the standard input."""
    with tempfile.TemporaryDirectory() as folder, private_server() as server:
        project = Project(Path(folder), server)
        project.prepare()
        (Path(folder) / "nginx").mkdir()
        with documented(project, Path(folder) / "nginx") as site:
            print(json.dumps({"origin": site.origin, "log": str(site.log)}), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
