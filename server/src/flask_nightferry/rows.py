"""Stored items, and how an answer describes them: the server's side of a conflict, a refusal or a change."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    func,
    select,
    tuple_,
)
from sqlalchemy import Row as DatabaseRow

from . import strict_json
from .auth import Principal
from .errors import ApiError
from .lists import items_named, names_of
from .schema import items

logger = logging.getLogger("flask_nightferry")

Item = tuple[str, str]  # slice, id

_NAMES = ("slice", "id", "version", "value", "deleted", "at", "user", "client", "device")
_COLUMNS = [items.c[name] for name in _NAMES]
_ORDER = (items.c.version, items.c.slice, items.c.id)

#: The stored values that one push may be about, in bytes: each is parsed, compared, and may be in the answer.
MAX_BYTES_AT_ONCE = 16 * 1024 * 1024

#: Rows that are taken out of SQLite at once.
_ROWS_AT_ONCE = 20


class Unreadable(ValueError):
    """The stored text is not strict JSON: something else than Nightferry wrote the row."""


@dataclass(frozen=True)
class StoredItem:
    """An item as it is stored; with `deleted`, its tombstone."""

    version: int
    text: str | None
    deleted: bool
    at: int
    user: str  # the last writer
    client: str
    device: str | None  # the client's name for people

    @classmethod
    def of(cls, row: DatabaseRow[Any]) -> StoredItem:
        """The item in a row of the table `items`."""
        return cls(row.version, row.value, row.deleted, row.at, row.user, row.client, row.device)

    @cached_property
    def value(self) -> Any:
        """The value; None for a tombstone. Raises Unreadable."""
        try:
            return None if self.text is None else strict_json.checked(strict_json.parse(self.text))
        except ValueError as fault:
            # The path of a refused value has names of its fields.
            why = fault.reason if isinstance(fault, strict_json.RefusedValue) else fault
            logger.error("a stored item of version %d is not strict JSON: %s", self.version, why)
            raise Unreadable from None

    def copy_of_value(self) -> Any:
        """The value once more, to be changed in place. Raises Unreadable."""
        # Reading it anew takes a fraction of the time of a deep copy.
        return None if self.value is None or self.text is None else strict_json.parse(self.text)

    def holds(self, value: Any) -> bool:
        """Returns true if the item exists and has this value."""
        try:
            return not self.deleted and strict_json.same(self.value, value)
        except Unreadable:
            return False


def server_side(row: StoredItem | None, principal: Principal, client: str) -> dict[str, Any]:
    """Describes what the server has of an item, for a client of the principal.

    The fields are `version`, one of `value`, `deleted` and `unreadable`, `at`, and `by` (the last writer) or
    `own` (the last writer is this client).
    """
    if row is None:
        return {"version": None, "deleted": True, "at": 0}
    side: dict[str, Any] = {"version": row.version}
    if row.deleted:
        side["deleted"] = True
    else:
        try:
            side["value"] = row.value
        except Unreadable:
            # A made-up value or a deletion would spread to devices that still have the item.
            side["unreadable"] = True
    side["at"] = row.at
    if (row.user, row.client) == (principal.user, client):
        side["own"] = True
    elif row.user:
        side["by"] = {"user": row.user} | ({"device": row.device} if row.device else {})
    return side


def select_items(tenant: str, slice_: str) -> Select[Any]:
    """The query of a slice's rows, in the form that `StoredItem.of` takes."""
    return select(*_COLUMNS).where(items.c.tenant == tenant, items.c.slice == slice_)


def rows_query(dialect: str, wanted: ColumnElement[bool]) -> Select[Any]:
    """The query of the wanted rows, for `read_rows`."""
    query = select(*_COLUMNS).where(wanted).order_by(*_ORDER)
    if dialect == "sqlite":
        return query.execution_options(yield_per=_ROWS_AT_ONCE)
    # A driver of PostgreSQL takes the whole result into memory, or needs several round trips.
    size = func.coalesce(func.octet_length(items.c.value), 0)
    before = func.coalesce(func.sum(size).over(order_by=_ORDER, rows=(None, -1)), 0)
    value = case((before < bindparam("max_bytes", type_=BigInteger), items.c.value)).label("value")
    return query.with_only_columns(*(value if column is items.c.value else column for column in _COLUMNS))


def read_rows(
    connection: Connection, query: Select[Any], parameters: dict[str, Any], max_bytes: int
) -> Iterator[tuple[DatabaseRow[Any], int]]:
    """The rows in the order (version, slice, id), each with the bytes of the values before it.

    Where those come to `max_bytes`, a row has no value: stop there. An item may be 4 MiB long, so the rows of
    a request that is small itself would not fit into memory.
    """
    before = 0
    with connection.execute(query, parameters | {"max_bytes": max_bytes}) as rows:
        for row in rows:
            yield row, before
            before += len((row.value or "").encode())


def find_items(connection: Connection, tenant: str, wanted: Collection[Item]) -> dict[Item, StoredItem]:
    """The stored ones of the wanted items. Raises ApiError `too_large` where their values are too long."""
    if not wanted:
        return {}
    found: dict[Item, StoredItem] = {}
    parameters = {"tenant": tenant, "named": names_of(wanted)}
    query = _find_items(connection.dialect.name)
    for row, before in read_rows(connection, query, parameters, MAX_BYTES_AT_ONCE):
        if before >= MAX_BYTES_AT_ONCE:
            raise ApiError(
                "too_large",
                f"The server has more than {MAX_BYTES_AT_ONCE} bytes in the items that these changes are "
                "about. Send fewer changes at once.",
            )
        found[row.slice, row.id] = StoredItem.of(row)
    return found


def find_item(connection: Connection, tenant: str, item: Item) -> StoredItem | None:
    """One stored item, on any connection: also one of the app, which lacks this package's SQL functions."""
    slice_, id_ = item
    row = connection.execute(select_items(tenant, slice_).where(items.c.id == id_)).one_or_none()
    return None if row is None else StoredItem.of(row)


def find_versions(connection: Connection, tenant: str, wanted: Collection[Item]) -> dict[Item, int]:
    """The versions of the stored ones of the wanted items."""
    rows = connection.execute(_FIND_VERSIONS, {"tenant": tenant, "named": names_of(wanted)})
    return {(row.slice, row.id): row.version for row in rows}


_NAMED = items_named("named")
_ARE_NAMED = and_(
    items.c.tenant == bindparam("tenant"),
    tuple_(items.c.slice, items.c.id).in_(select(_NAMED.c.slice, _NAMED.c.id)),
)
_FIND_VERSIONS = select(items.c.slice, items.c.id, items.c.version).where(_ARE_NAMED)


@functools.cache
def _find_items(dialect: str) -> Select[Any]:
    return rows_query(dialect, _ARE_NAMED)
