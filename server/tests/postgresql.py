"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import URL

#: PostgreSQL refuses to run as root. Debian's package makes the first of these users.
USERS = ("postgres", "nobody")

MISSING = (
    "PostgreSQL is missing. On Debian or Ubuntu: `sudo apt-get install postgresql`; elsewhere put initdb and "
    "postgres into PATH, or name their folder in NIGHTFERRY_POSTGRESQL. `pytest -k 'not postgresql'` runs "
    "the tests on SQLite alone."
)

START_SECONDS = 30


@contextmanager
def private_server() -> Iterator[URL]:
    """Starts a server and gives the URL of its one database."""
    with _folder() as folder:
        _run("initdb", ["--pgdata", folder / "data", *_INITDB], folder)
        with _started(folder) as url:
            yield url


@contextmanager
def standby(primary: URL) -> Iterator[URL]:
    """Starts a read replica of a private server, and gives the URL of its database."""
    with _folder() as folder:
        source = ["--host", primary.query["host"], "--username", primary.username, "--checkpoint", "fast"]
        _run("pg_basebackup", ["--pgdata", folder / "data", "--write-recovery-conf", *source], folder)
        with _started(folder) as url:
            yield url


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nightferry-pg-"))
    try:
        account = _account()
        if account:
            os.chown(folder, account["user"], account["group"])
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _started(folder: Path) -> Iterator[URL]:
    """Runs the server whose data are in the folder."""
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    arguments = [find_programs() / "postgres", "-D", folder / "data", "-k", folder, *settings]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=folder, **_account())
    try:
        url = URL.create("postgresql+psycopg", "nightferry", database="postgres")
        url = url.update_query_dict({"host": str(folder)})
        _wait_until_ready(server, url, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown, which ends connections
        server.wait(timeout=START_SECONDS)


def find_programs() -> Path:
    """The folder that has initdb and postgres. Raises RuntimeError."""
    on_path = shutil.which("initdb")
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    named = os.environ.get("NIGHTFERRY_POSTGRESQL")
    for folder in [*([Path(named)] if named else []), *debian, *([Path(on_path).parent] if on_path else [])]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise RuntimeError(MISSING)


_INITDB = ("--username=nightferry", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")

#: What is kept has to outlive no loss of power.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
}


def _account() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in USERS:
        if name in known:
            return {"user": known[name].pw_uid, "group": known[name].pw_gid, "extra_groups": []}
    raise RuntimeError(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}.")


def _run(program: str, arguments: list[Any], folder: Path) -> None:
    command = [find_programs() / program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, **_account())
    if done.returncode != 0:
        raise RuntimeError(f"{program} failed: {done.stderr}")


def _wait_until_ready(server: subprocess.Popen[bytes], url: URL, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(plain(url)).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}") from None
            time.sleep(0.02)


def plain(url: URL) -> str:
    """The URL as psycopg itself takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
