"""Items for the app's own Python code: `put`, `delete`, `get` and `items` of the extension.

A change made here is a change like any other: it has a version of its tenant, and it reaches the devices with
their next pull. Hooks are not asked, and the signal is not sent: they are about what devices send.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from weakref import WeakKeyDictionary

from flask import current_app
from sqlalchemy import Connection, RootTransaction

from . import strict_json
from .auth import Principal
from .compare import Conflict, Effect, decide
from .errors import ApiError
from .hooks import in_hook
from .patch import Moves
from .rows import StoredItem, Unreadable, find_item, select_items
from .schema import items as items_table
from .schema import tenants, upsert
from .state import State, state_of
from .versions import History, find_forgettable, forget, keep_version, lock_history, next_version
from .wire import Mutation, id_fault, slice_fault

#: Items that are read at once. Each may be 4 MiB long.
PAGE = 100

#: A base that any state of the item fits.
ANY: Literal["any"] = "any"

#: The versions that open transactions of the app have been given, by transaction.
_given: WeakKeyDictionary[RootTransaction, dict[str, int]] = WeakKeyDictionary()


class HasConnection(Protocol):
    """An object with a connection: a `Session` of SQLAlchemy, or the `db.session` of Flask-SQLAlchemy."""

    def connection(self) -> Connection:
        """The connection of its transaction."""


class StoreUnavailable(RuntimeError):
    """Nightferry's database can't be used now. Nothing has changed; the log says why."""


@dataclass(frozen=True)
class Item:
    """An item as the server has it."""

    id: str
    value: Any
    #: Names the transaction that wrote it; `base` of a later `put` or `delete`.
    version: int
    #: Epoch ms of that change, as its device says.
    at: int


def put(
    tenant: str,
    slice_: str,
    id_: str,
    value: Any,
    *,
    user: str | None = None,
    base: int | Literal["any"] | None = ANY,
    connection: Connection | HasConnection | None = None,
) -> int:
    """Stores the whole value of an item; see `Nightferry.put`."""
    value = strict_json.checked(value)
    strict_json.sized_text_of(value)
    version = _write(tenant, slice_, id_, "put", value, user, base, connection)
    assert version is not None  # noqa: S101  (only a delete of nothing has none)
    return version


def delete(
    tenant: str,
    slice_: str,
    id_: str,
    *,
    user: str | None = None,
    base: int | Literal["any"] | None = ANY,
    connection: Connection | HasConnection | None = None,
) -> int | None:
    """Deletes an item; see `Nightferry.delete`."""
    return _write(tenant, slice_, id_, "delete", None, user, base, connection)


def get(
    tenant: str, slice_: str, id_: str, *, connection: Connection | HasConnection | None = None
) -> Item | None:
    """Reads an item; see `Nightferry.get`."""
    _require_names(tenant, slice_, id_)
    with _reading(connection) as database:
        row = find_item(database, tenant, (slice_, id_))
    return None if row is None else _item(id_, row)


def items(
    tenant: str, slice_: str, *, connection: Connection | HasConnection | None = None
) -> Iterator[Item]:
    """Reads all items of a slice; see `Nightferry.items`."""
    _require_names(tenant, slice_)
    after = ""
    while True:
        with _reading(connection) as database:
            rows = database.execute(
                select_items(tenant, slice_)
                .where(items_table.c.id > after, items_table.c.deleted.is_(False))
                .order_by(items_table.c.id)
                .limit(PAGE)
            ).all()
        for row in rows:
            item = _item(row.id, StoredItem.of(row))
            if item is not None:
                yield item
        if len(rows) < PAGE:
            return
        after = rows[-1].id


def _item(id_: str, row: StoredItem) -> Item | None:
    if row.deleted:
        return None
    try:
        return Item(id_, row.value, row.version, row.at)
    except Unreadable:
        return None  # the log has it


def _write(
    tenant: str,
    slice_: str,
    id_: str,
    op: str,
    value: Any,
    user: str | None,
    base: int | Literal["any"] | None,
    connection: Connection | HasConnection | None,
) -> int | None:
    _require_names(tenant, slice_, id_, user)
    taken = state_of(current_app).config.slices
    if op == "put" and taken is not None and slice_ not in taken:
        raise ValueError(f"The slice {slice_} is not one of NIGHTFERRY_SLICES.")
    if in_hook():
        raise RuntimeError(
            "A hook can't write items: the push that it is asked about is under way. Write them in a "
            "receiver of item_applied, which is called after the push."
        )
    now = time.time_ns() // 1_000_000
    with _writing(connection) as database:
        if connection is not None:
            _lock_sqlite(database, tenant)
        history = lock_history(database, tenant)
        row = find_item(database, tenant, (slice_, id_))
        if op == "delete" and row is None and base == ANY:
            return None
        found = None if row is None else row.version
        mutation = Mutation(slice_, id_, op, found if base == ANY else base, now, value=value)
        try:
            effect = decide(mutation, row, Moves())
        except Conflict:
            raise Conflict(
                f"The item {id_!r} of {slice_} does not have the version {base}: it was changed or deleted "
                "meanwhile."
            ) from None
        if effect is None:
            return found
        version = _version(database, history, now)
        _store(database, tenant, mutation, effect, version, user)
        return version


def _store(
    database: Connection,
    tenant: str,
    mutation: Mutation,
    effect: Effect,
    version: int,
    user: str | None,
) -> None:
    columns = {
        "tenant": tenant,
        "slice": mutation.slice,
        "id": mutation.id,
        "version": version,
        "value": None if effect.deleted else strict_json.text_of(effect.value),
        "deleted": effect.deleted,
        "at": mutation.at,
        "user": user or "",
        "client": "",
        "device": None,
    }
    database.execute(upsert(database.dialect.name, items_table), [columns])


def _lock_sqlite(database: Connection, tenant: str) -> None:
    # SQLite locks at the first write of the app's transaction. Without this one, the newest version would be
    # read before, and another writer could come between.
    if database.dialect.name == "sqlite":
        database.execute(
            tenants.update().where(tenants.c.tenant == tenant).values(last_version=tenants.c.last_version)
        )


def _version(database: Connection, history: History, now: int) -> int:
    """The version of the database's transaction: a new one, where it has none that was not rolled back."""
    transaction = database.get_transaction()
    assert transaction is not None  # noqa: S101  (it has executed)
    given = _given.setdefault(transaction, {})
    if given.get(history.tenant) != history.last_version:
        given[history.tenant] = version = next_version(history, now)
        keep_version(database, history.tenant, version)
        state = state_of(current_app)
        through = find_forgettable(database, history, now - state.config.horizon_ms)
        if through:
            forget(database, history.tenant, through)
        state.pokes.announce(database, history.tenant, version)
    return given[history.tenant]


def _require_names(tenant: str, slice_: str, id_: str | None = None, user: str | None = None) -> None:
    Principal(tenant, user or "nobody")
    if user == "":
        raise ValueError("user must not be empty. None says that nobody is named.")
    for name, text in (("slice", slice_), ("id", id_)):
        if not isinstance(text, str) and not (name == "id" and text is None):
            raise TypeError(f"{name} must be a string, not {type(text).__name__}.")
    fault = slice_fault(slice_) or (None if id_ is None else id_fault(id_))
    if fault is not None:
        raise ValueError(fault)


@contextmanager
def _reading(connection: Connection | HasConnection | None) -> Iterator[Connection]:
    if connection is not None:
        yield _connection(connection)
        return
    with _own(write=False) as database:
        yield database


@contextmanager
def _writing(connection: Connection | HasConnection | None) -> Iterator[Connection]:
    if connection is not None:
        yield _connection(connection)
        return
    with _own(write=True) as database:
        yield database


@contextmanager
def _own(*, write: bool) -> Iterator[Connection]:
    state: State = state_of(current_app)
    try:
        state.make_ready(current_app)
        with state.store.write() if write else state.store.read() as database:
            yield database
    except ApiError as error:
        raise StoreUnavailable("Nightferry's database can't be used now. Its log says why.") from error


def _connection(given: Connection | HasConnection) -> Connection:
    return given if isinstance(given, Connection) else given.connection()
