"""The poke bus: how the sockets of every process hear of a new version, once it is committed.

| bus | reaches | how |
|---|---|---|
| `LocalPokes` | the sockets of this process | by a call |
| `PostgresPokes` | those of all processes | by `NOTIFY` |

A poke may be lost: each device also asks at intervals. None comes before its version can be read, since a
device that is poked asks at once.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine, event, func, select

from .background import Worker
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

_NOT_POKED = "devices could not be poked; they poll"


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
        self._announced = Worker("nightferry-confirm", self._confirm, failure=_NOT_POKED)

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
            hide_parameters=True,
            pool_pre_ping=True,
            pool_reset_on_return=None,  # there is no transaction to roll back
            isolation_level="AUTOCOMMIT",
            connect_args=KEEP_ALIVE,
        )
        self._pushed = Worker("nightferry-notify", self._notify, BATCH_SECONDS, failure=_NOT_POKED)
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
