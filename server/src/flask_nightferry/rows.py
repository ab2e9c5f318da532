"""Stored items, and how an answer describes them: the server's side of a conflict, a refusal or a change."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy import Row as DatabaseRow

from . import strict_json
from .auth import Principal
from .schema import items

logger = logging.getLogger("flask_nightferry")

Item = tuple[str, str]  # slice, id

_NAMES = ("slice", "id", "version", "value", "deleted", "at", "user", "client", "device")
_COLUMNS = [items.c[name] for name in _NAMES]


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
            logger.error("a stored item of version %d is not strict JSON: %s", self.version, fault)
            raise Unreadable from None

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


def find_items(connection: Connection, tenant: str, wanted: Iterable[Item]) -> dict[Item, StoredItem]:
    """The stored ones of the wanted items."""
    ids = defaultdict(list)
    for slice_, id_ in wanted:
        ids[slice_].append(id_)
    found: dict[Item, StoredItem] = {}
    for slice_, of_slice in ids.items():
        query = select(*_COLUMNS).where(
            items.c.tenant == tenant, items.c.slice == slice_, items.c.id.in_(of_slice)
        )
        for row in connection.execute(query):
            found[slice_, row.id] = StoredItem.of(row)
    return found
