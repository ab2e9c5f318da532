"""The poke bus: how the sockets of every process hear of a new version, once it is committed.

| bus | reaches | how |
|---|---|---|
| `LocalPokes` | the sockets of this process | by a call |
| `PostgresPokes` | those of all processes | by `NOTIFY` |

A poke may be lost: each device also asks at intervals. None comes before its version can be read, since a
device that is poked asks at once.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine, event, func, select

from .errors import ApiError
from .sockets import NOBODY, Author, Sockets
from .store import Store
from .strict_json import text_of
from .versions import read_history

logger = logging.getLogger("flask_nightferry")

#: The channel of `NOTIFY`.
CHANNEL = "nightferry"
#: PostgreSQL takes payloads below 8,000 bytes.
MAX_PAYLOAD_BYTES = 7_900
#: Versions that come within this time are announced together: each `NOTIFY` makes commits of the whole
#: database wait for one another.
BATCH_SECONDS = 0.02
#: How long a socket waits, at its beginning, for the process to listen.
LISTEN_SECONDS = 2.0
#: Nothing is sent on the connection that listens. The system finds out within a minute that it is dead.
KEEP_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
#: How often the listener looks whether it is to end.
CLOSE_SECONDS = 0.5
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0)
#: How often, and how long in all, a commit that was announced is waited for.
CONFIRM_SECONDS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Pokes(Protocol):
    """Tells devices that their tenant has a new version."""

    def listen(self) -> None:
        """Makes sure that the sockets of this process are told what other processes do."""

    def pushed(self, tenant: str, version: int, author: Author) -> None:
        """Called when a push is committed. Returns at once."""

    def announce(self, connection: Connection, tenant: str, version: int) -> None:
        """Called in the transaction of the app's code that made a version. Devices are told if it commits."""

    def close(self) -> None:
        """Ends the bus's threads and connections, after what was handed to it."""


def pokes_of(store: Store, sockets: Sockets) -> Pokes:
    """The bus for a database."""
    if store.engine.dialect.name != "postgresql":
        return LocalPokes(store, sockets)
    if store.engine.dialect.driver != "psycopg":
        logger.warning(
            "pokes reach only devices that are connected to the same process; a URL postgresql+psycopg:// "
            "would reach all"
        )
        return LocalPokes(store, sockets)
    return PostgresPokes(store, sockets)


class LocalPokes:
    """Pokes within this process."""

    def __init__(self, store: Store, sockets: Sockets) -> None:
        self._store = store
        self._sockets = sockets
        self._announced = _Worker("nightferry-confirm", self._confirm)

    def listen(self) -> None:
        """There is nothing to listen to."""

    def pushed(self, tenant: str, version: int, author: Author) -> None:
        """See `Pokes`."""
        self._sockets.poke(tenant, version, author)

    def announce(self, connection: Connection, tenant: str, version: int) -> None:
        """See `Pokes`."""
        if self._sockets.count() == 0:
            return

        # SQLAlchemy tells of a commit just before it.
        def on_commit(_connection: Connection) -> None:
            self._announced.put((tenant, version))

        event.listen(connection, "commit", on_commit, once=True)

    def close(self) -> None:
        """See `Pokes`."""
        self._announced.close()

    def _confirm(self, announced: list[tuple[str, int]]) -> None:
        waiting = dict(announced)
        for seconds in CONFIRM_SECONDS:
            time.sleep(seconds)
            for tenant, version in [*waiting.items()]:
                with self._store.read() as connection:
                    newest = read_history(connection, tenant).last_version
                if newest >= version:
                    self._sockets.poke(tenant, newest)
                    del waiting[tenant]
            if not waiting:
                return
        # It was rolled back after all, to a savepoint.


class PostgresPokes:
    """Pokes between all processes of a PostgreSQL database."""

    def __init__(self, store: Store, sockets: Sockets) -> None:
        self._sockets = sockets
        # Beside the pool of the store, which is for requests.
        self._engine = create_engine(
            store.engine.url,
            pool_size=1,
            pool_pre_ping=True,
            pool_reset_on_return=None,  # there is no transaction to roll back
            isolation_level="AUTOCOMMIT",
            connect_args=KEEP_ALIVE,
        )
        self._pushed = _Worker("nightferry-notify", self._notify, BATCH_SECONDS)
        self._listening = threading.Event()
        self._starting = threading.Lock()
        self._listener_pid: int | None = None
        self._listener: threading.Thread | None = None
        self._closed = False

    def listen(self) -> None:
        """See `Pokes`."""
        with self._starting:
            if self._listener_pid != os.getpid():
                self._listener_pid = os.getpid()
                self._listening.clear()
                self._listener = threading.Thread(target=self._listen, name="nightferry-listen", daemon=True)
                self._listener.start()
        if not self._listening.wait(LISTEN_SECONDS):
            logger.warning("pokes of other processes are not heard now; devices poll")

    def pushed(self, tenant: str, version: int, author: Author) -> None:
        """See `Pokes`."""
        self._sockets.poke(tenant, version, author)
        self._pushed.put((tenant, version, *author))

    def announce(self, connection: Connection, tenant: str, version: int) -> None:
        """See `Pokes`. `NOTIFY` is delivered at the commit, or not at all."""
        payload = text_of([[tenant, version, *NOBODY]])
        connection.execute(select(func.pg_notify(CHANNEL, payload)))

    def close(self) -> None:
        """See `Pokes`."""
        self._closed = True
        self._pushed.close()
        if self._listener is not None and self._listener_pid == os.getpid():
            self._listener.join()
        self._engine.dispose()

    def _notify(self, pushed: list[tuple[str, int, str, str]]) -> None:
        newest: dict[tuple[str, str, str], int] = {}
        for tenant, version, user, client in pushed:
            newest[tenant, user, client] = max(version, newest.get((tenant, user, client), 0))
        entries = [[tenant, version, user, client] for (tenant, user, client), version in newest.items()]
        with self._engine.connect() as connection:
            for payload in _payloads(entries):
                connection.execute(select(func.pg_notify(CHANNEL, payload)))

    def _listen(self) -> None:
        failures = 0
        while not self._closed:
            try:
                with self._engine.connect() as connection:
                    driver: Any = connection.connection.driver_connection
                    # It listens, so it is not one for the pool.
                    connection.detach()
                    driver.execute(f"LISTEN {CHANNEL}")
                    self._listening.set()
                    failures = 0
                    while not self._closed:
                        for notice in driver.notifies(timeout=CLOSE_SECONDS):
                            self._heard(notice.payload)
            except Exception as fault:
                logger.warning("pokes of other processes are not heard now: %s", fault)
            if self._closed:
                return
            self._listening.clear()
            time.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    def _heard(self, payload: str) -> None:
        try:
            for tenant, version, user, client in json.loads(payload):
                self._sockets.poke(tenant, version, (user, client))
        except (ValueError, TypeError):
            logger.warning("a poke of another process can't be read")


def _payloads(entries: list[list[Any]]) -> list[str]:
    """The entries as texts that PostgreSQL takes."""
    payloads, text = [], ""
    for entry in entries:
        longer = f"{text},{text_of(entry)}" if text else text_of(entry)
        if text and len(longer.encode()) > MAX_PAYLOAD_BYTES:
            payloads.append(f"[{text}]")
            longer = text_of(entry)
        text = longer
    return [*payloads, f"[{text}]"] if text else payloads


_END = object()


class _Worker:
    """A thread of this process that does things together. It starts with the first."""

    def __init__(self, name: str, do: Callable[[list[Any]], None], batch_seconds: float = 0.0) -> None:
        self._name = name
        self._do = do
        self._batch_seconds = batch_seconds
        self._starting = threading.Lock()
        self._pid: int | None = None
        self._thread: threading.Thread | None = None
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, thing: Any) -> None:
        """Returns at once."""
        with self._starting:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._queue = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._queue.put(thing)

    def close(self) -> None:
        """Ends the thread when it has done what it was given."""
        if self._thread is not None and self._pid == os.getpid():
            self._queue.put(_END)
            self._thread.join()

    def _run(self) -> None:
        while True:
            things = [self._queue.get()]
            time.sleep(self._batch_seconds)
            with contextlib.suppress(queue.Empty):
                while True:
                    things.append(self._queue.get_nowait())
            ends = _END in things
            try:
                if things := [thing for thing in things if thing is not _END]:
                    self._do(things)
            except ApiError:
                pass  # the log has it
            except Exception:
                logger.warning("devices could not be poked; they poll", exc_info=True)
            if ends:
                return
