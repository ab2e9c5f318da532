"""The database: one engine an app, transactions for reading and for writing, and the tables' making.

Faults of the database become ApiError here, and their text goes to the log only: SQLAlchemy's messages hold
SQL, values and paths.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from . import schema
from .errors import ApiError, internal, unavailable
from .lists import add_sqlite_functions

logger = logging.getLogger("flask_nightferry")

#: How long a request waits for another's transaction, and for a free connection.
BUSY_TIMEOUT_MS = 5000
POOL_TIMEOUT_SECONDS = 5

#: How long PostgreSQL works on one statement, and keeps a transaction open that nobody goes on with. A
#: request that stands still holds no lock for longer.
STATEMENT_TIMEOUT_MS = 15_000
IDLE_TIMEOUT_MS = 15_000


#: PostgreSQL's number for the lock that is held while tables are made. Any unused number would do.
_MAKING_TABLES = int.from_bytes(b"nferry", "big")


class Store:
    """The tables of one app. Making a store connects to nothing."""

    def __init__(self, url: URL) -> None:
        self._url = url
        if url.get_backend_name() == "sqlite":
            self.engine: Engine = create_engine(url, pool_timeout=POOL_TIMEOUT_SECONDS, hide_parameters=True)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reading = self.engine
        else:
            self.engine = create_engine(
                url,
                pool_timeout=POOL_TIMEOUT_SECONDS,
                pool_pre_ping=True,
                hide_parameters=True,
                # Whatever the database's default is: `lock_history` relies on it.
                isolation_level="READ COMMITTED",
            )
            event.listen(self.engine, "connect", _prepare_postgresql)
            # Each statement is a transaction of its own, which saves the round trips of BEGIN and COMMIT.
            self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._ready = False
        self._making_ready = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that only reads. Raises ApiError (`unavailable`, `internal`).

        In SQLite all statements see one moment, in PostgreSQL each sees what was committed before it.
        """
        with _faults(), self._reading.begin() as connection:
            yield connection

    @contextmanager
    def read_only(self) -> Iterator[Connection]:
        """A transaction for code that is not this package's: the database refuses what it writes.

        Raises ApiError (`unavailable`, `internal`).
        """
        with _faults(), self.engine.begin() as connection:
            sqlite = connection.dialect.name == "sqlite"
            connection.exec_driver_sql("PRAGMA query_only = ON" if sqlite else "SET TRANSACTION READ ONLY")
            try:
                yield connection
            finally:
                if sqlite:
                    connection.exec_driver_sql("PRAGMA query_only = OFF")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it takes effect, or nothing. Raises ApiError (`unavailable`,
        `internal`).

        In SQLite it holds the one write lock from its beginning, so that it can't fail half-way to take it.
        """
        with _faults(), self.engine.connect() as plain:
            connection = plain.execution_options(nightferry_write=True)
            with connection.begin():
                yield connection

    def prepare_for_upkeep(self) -> None:
        """For a command in a process of its own, before it connects: a statement may take as long as it
        needs, and what is deleted from a SQLite file is overwritten.
        """
        event.listen(self.engine, "connect", _prepare_for_upkeep)

    def empty_log(self) -> None:
        """Writes SQLite's log into the file and empties it, where no one reads at the moment."""
        if self._url.get_backend_name() == "sqlite":
            plain = self.engine.raw_connection()
            try:
                plain.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                plain.close()

    def make_ready(self, create_tables: bool) -> None:
        """Once a process: look at the tables' format, and make missing tables if wanted. Raises ApiError."""
        if self._ready:
            return
        with self._making_ready, _faults():
            if not self._ready:
                self._look_at_tables(create_tables)
                self._ready = True

    def create_tables(self) -> None:
        """Make what is missing. Harmless where everything exists, and when two processes do it."""
        if self._url.get_backend_name() == "sqlite":
            Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_MAKING_TABLES)))
            schema.metadata.create_all(connection)
            if connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == "format")) is None:
                connection.execute(schema.meta.insert(), {"name": "format", "value": str(schema.FORMAT)})

    def _look_at_tables(self, create_tables: bool) -> None:
        if create_tables:
            self.create_tables()
        elif self._url.get_backend_name() == "sqlite" and not Path(str(self._url.database)).exists():
            # Opening it would leave an empty file behind.
            logger.error("there is no database yet; run `flask nightferry init-db`")
            raise unavailable()
        with self.engine.connect() as connection:
            if not inspect(connection).has_table(schema.meta.name):
                logger.error("the database has no tables yet; run `flask nightferry init-db`")
                raise unavailable()
            found = connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == "format"))
        if found != str(schema.FORMAT):
            logger.error(
                "the tables have format %s and this version of flask-nightferry reads %s; update the older "
                "of the two",
                found,
                schema.FORMAT,
            )
            raise unavailable()
        with self.engine.connect() as connection:
            _require_columns(connection)


def _require_columns(connection: Connection) -> None:
    # Formats are not raised before the first release, so older tables are known by what they lack.
    database = inspect(connection)
    for table in schema.metadata.sorted_tables:
        if not database.has_table(table.name):
            logger.error("the table %s is missing; run `flask nightferry init-db`", table.name)
            raise unavailable()
        found = {column["name"] for column in database.get_columns(table.name)}
        for column in table.columns:
            if column.name not in found:
                logger.error(
                    "the table %s has no column %s: a version before the first release made it; move this "
                    "database away and run `flask nightferry init-db`",
                    table.name,
                    column.name,
                )
                raise unavailable()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's sqlite3 would begin transactions by itself, late and never IMMEDIATE; `_begin_sqlite` does
    # instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS:d}")
    _use_wal(cursor)
    # An answer says that a change is kept: also after a loss of power.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
    add_sqlite_functions(connection)


def _use_wal(cursor: Any) -> None:
    # Two that change the mode of a new file at once don't wait for each other, whatever the timeout.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # In a transaction they would be undone with it.
    connection.autocommit = True
    settings = {
        "lock_timeout": BUSY_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
    connection.autocommit = False


def _prepare_for_upkeep(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA secure_delete = ON")
        return
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', false)")
    connection.autocommit = False


@contextmanager
def in_one_trip(connection: Connection) -> Iterator[None]:
    """Statements that return nothing, sent to the database together where its driver can do that.

    Their faults show at the end.
    """
    driver: Any = connection.connection.driver_connection
    if not hasattr(driver, "pipeline"):
        yield
        return
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        with driver.pipeline():
            yield
    except dbapi.Error as fault:
        kind = OperationalError if isinstance(fault, dbapi.OperationalError) else DBAPIError
        raise kind(None, None, fault) from fault


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("nightferry_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except ApiError:
        raise
    except OperationalError as fault:
        # Locked, full, unreachable: failures that may pass.
        logger.warning("the database is not available: %s", _described(fault))
        raise unavailable() from fault
    except PoolTimeoutError as fault:
        logger.warning("no connection to the database came free within %d s", POOL_TIMEOUT_SECONDS)
        raise unavailable() from fault
    except DBAPIError as fault:
        if fault.connection_invalidated:
            logger.warning("the connection to the database was lost: %s", _described(fault))
            raise unavailable() from fault
        # The exception itself would quote the row that PostgreSQL did not take.
        where = "".join(traceback.format_tb(fault.__traceback__))
        logger.error("the database failed: %s. Traceback:\n%s", _described(fault), where)
        raise internal() from fault
    except (SQLAlchemyError, OSError) as fault:
        logger.exception("the database failed")
        raise internal() from fault


def _described(fault: DBAPIError) -> str:
    """The database's own sentence, without the detail that may quote values, and its code."""
    diagnosis = getattr(fault.orig, "diag", None)
    sentence = getattr(diagnosis, "message_primary", None) or str(fault.orig).partition("\n")[0]
    code = getattr(fault.orig, "sqlstate", None)
    return f"{sentence} ({code})" if code else sentence
