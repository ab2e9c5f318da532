"""What the commands list: devices, and stored items with what is known beside their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from .rows import StoredItem, Unreadable
from .schema import clients, devices, items, tenants, versions
from .store import Store

#: Items that are read at once. Each may be 4 MiB long.
PAGE = 20


@dataclass(frozen=True)
class KnownClient:
    """A device that has pushed or pulled."""

    tenant: str
    user: str
    client: str
    device: str | None  # its name for people, where it gave one
    seen_at: int  # epoch ms of its latest push or noted pull
    pulled: int | None  # the version that its latest noted pull reached
    behind: int | None  # the versions that the tenant has got since


def known_clients(connection: Connection, tenant: str | None, user: str | None) -> Iterator[KnownClient]:
    """The devices of a tenant, of a user, or all of them, in the order of their names."""
    every = select(clients.c.tenant, clients.c.user, clients.c.client).union(
        select(devices.c.tenant, devices.c.user, devices.c.client)
    )
    known = every.subquery()
    pushed, pulled = (
        and_(*(table.c[name] == known.c[name] for name in ("tenant", "user", "client")))
        for table in (clients, devices)
    )
    behind = (
        select(func.count())
        .where(versions.c.tenant == known.c.tenant, versions.c.version > devices.c.pulled)
        .scalar_subquery()
    )
    query = (
        select(
            *known.c,
            devices.c.device,
            clients.c.seen_at.label("pushed_at"),
            devices.c.seen_at.label("pulled_at"),
            devices.c.pulled,
            behind.label("behind"),
        )
        .select_from(known)
        .outerjoin(clients, pushed)
        .outerjoin(devices, pulled)
        .order_by(known.c.tenant, known.c.user, known.c.client)
    )
    for name, wanted in (("tenant", tenant), ("user", user)):
        if wanted is not None:
            query = query.where(known.c[name] == wanted)
    for row in connection.execute(query):
        seen_at = max(row.pushed_at or 0, row.pulled_at or 0)
        behind_now = None if row.pulled is None else row.behind
        yield KnownClient(row.tenant, row.user, row.client, row.device, seen_at, row.pulled, behind_now)


def tenant_exists(connection: Connection, tenant: str) -> bool:
    """True if anything was ever stored for the tenant."""
    return connection.scalar(select(tenants.c.tenant).where(tenants.c.tenant == tenant)) is not None


def count_items(store: Store, tenant: str, slice_: str | None, user: str | None) -> int:
    """How many items `stored_items` would find now. Raises ApiError."""
    with store.read() as connection:
        query = select(func.count()).select_from(items).where(*_wanted(tenant, slice_, user))
        return connection.scalar(query) or 0


def stored_items(
    store: Store, tenant: str, slice_: str | None = None, user: str | None = None
) -> Iterator[dict[str, Any]]:
    """The items of a tenant, of one slice, or those whose latest change is a user's, as `described` has them.

    They are read page by page: one that changes meanwhile is as it was when its page was read. Raises
    ApiError.
    """
    after = None
    while True:
        query = select(*items.c).where(*_wanted(tenant, slice_, user))
        if after is not None:
            query = query.where(
                or_(items.c.slice > after[0], and_(items.c.slice == after[0], items.c.id > after[1]))
            )
        with store.read() as connection:
            rows = connection.execute(query.order_by(items.c.slice, items.c.id).limit(PAGE)).all()
        for row in rows:
            yield described(row)
        if len(rows) < PAGE:
            return
        after = (rows[-1].slice, rows[-1].id)


def described(row: Any) -> dict[str, Any]:
    """A row of `items` for people: `slice`, `id`, `version`, `at` (epoch ms), `user` and `device` where it
    has them, and one of `value`, `deleted` and `unreadable`.
    """
    fields: dict[str, Any] = {"slice": row.slice, "id": row.id, "version": row.version, "at": row.at}
    fields |= {name: value for name, value in (("user", row.user), ("device", row.device)) if value}
    if row.deleted:
        return fields | {"deleted": True}
    try:
        return fields | {"value": StoredItem.of(row).value}
    except Unreadable:
        return fields | {"unreadable": True}


def _wanted(tenant: str, slice_: str | None, user: str | None) -> list[Any]:
    wanted = [items.c.tenant == tenant, items.c.deleted.is_(False)]
    if slice_ is not None:
        wanted.append(items.c.slice == slice_)
    if user is not None:
        wanted.append(items.c.user == user)
    return wanted
