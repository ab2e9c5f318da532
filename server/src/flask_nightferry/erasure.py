"""Erases what a tenant, a user or a device has brought, and collects what nobody needs any more.

An erased item becomes a tombstone with a new version, so it is deleted on every device that pulls. Without
tombstones, a device that still has the item would take the server for one that was restored from a backup,
and bring the item back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, func, or_, select, tuple_
from sqlalchemy import true as sql_true

from .lists import items_named, names_of
from .schema import answers, clients, devices, items, tenants, versions
from .state import State
from .versions import find_forgettable, forget, keep_version, lock_history, next_version

#: Items that one transaction erases. Other writers of the tenant wait for it.
ITEMS_AT_ONCE = 500

#: Versions are forgotten, and their tombstones removed this much later: a pull may be under way that began
#: before.
GRACE_SECONDS = 60.0

#: Called with the number of rows that were done since the last call.
Progress = Callable[[int], None]


def _no_progress(_done: int) -> None:
    pass


@dataclass(frozen=True)
class Scope:
    """Whose data. What is None is not asked for; not all three may be."""

    tenant: str | None = None
    user: str | None = None
    client: str | None = None

    def rows(self, table: Table) -> ColumnElement[bool]:
        """The rows of a table with the columns `tenant`, `user` and `client`."""
        asked = {"tenant": self.tenant, "user": self.user, "client": self.client}
        return and_(
            sql_true(), *(table.c[name] == value for name, value in asked.items() if value is not None)
        )


@dataclass(frozen=True)
class Found:
    """How much there is of a scope."""

    items: int  # whose latest change is of this scope, without tombstones
    names: int  # items and tombstones that name a user or a device of this scope
    clients: int
    tenants: list[str]


def find(connection: Connection, scope: Scope) -> Found:
    """Counts what `erase` would be about."""
    mine = scope.rows(items)
    in_items = select(items.c.tenant).where(mine)
    of_clients = [
        select(table.c.tenant, table.c.user, table.c.client).where(scope.rows(table)) for table in _KNOWN
    ]
    known = of_clients[0].union(of_clients[1]).subquery()
    tenant_of = in_items.union(select(known.c.tenant)).subquery()
    return Found(
        items=connection.scalar(select(func.count()).where(mine, items.c.deleted.is_(False))) or 0,
        names=connection.scalar(select(func.count()).where(mine, _HAS_NAME)) or 0,
        clients=connection.scalar(select(func.count()).select_from(known)) or 0,
        tenants=sorted(connection.scalars(select(tenant_of.c.tenant))),
    )


def erase(state: State, scope: Scope, with_items: bool, progress: Progress = _no_progress) -> None:
    """Erases the scope's names and clients; `with_items`, also the items, which become tombstones.

    The answers that are kept for pushes that are sent again go for the whole tenant. Such a push is decided
    anew: what it has done already is without effect, and what is gone meanwhile is a conflict.

    Raises ApiError; what was done until then stays done, and the rest is done by another call.
    """
    with state.store.read() as connection:
        found = find(connection, scope)
    for tenant in found.tenants:
        while done := _erase_some(state, tenant, scope, with_items):
            progress(done)
    for tenant in found.tenants:
        with state.store.write() as connection:
            # An answer to anybody else may have a value of theirs, or name them.
            connection.execute(delete(answers).where(answers.c.tenant == tenant))
            for table in (clients, devices):
                connection.execute(delete(table).where(scope.rows(table), table.c.tenant == tenant))


def purge(state: State, tenant: str) -> None:
    """Removes all that is of a tenant, tombstones and versions included. Raises ApiError.

    For a tenant that nobody can sign in to: a device that could would bring back what it has.
    """
    with state.store.write() as connection:
        for table in (answers, clients, devices, items, versions, tenants):
            connection.execute(delete(table).where(table.c.tenant == tenant))


@dataclass
class Collected:
    """What was collected."""

    versions: int = 0
    tombstones: int = 0
    clients: int = 0


def collect(state: State, now: int, wait: Callable[[float], None] = time.sleep) -> Collected:
    """Forgets versions behind the horizon, the tombstones of these versions, and clients that have not pushed
    since. Raises ApiError.

    `now` is in epoch ms. `wait` is called with the seconds between the first two.
    """
    horizon = now - state.config.horizon_ms
    collected = Collected()
    with state.store.read() as connection:
        every = list(connection.scalars(select(tenants.c.tenant).order_by(tenants.c.tenant)))
    for tenant in every:
        while count := _forget_some(state, tenant, horizon):
            collected.versions += count
    with state.store.read() as connection:
        through = {
            row.tenant: row.forgotten_through
            for row in connection.execute(
                select(tenants.c.tenant, tenants.c.forgotten_through)
                .where(items.c.tenant == tenants.c.tenant, _IS_FORGOTTEN)
                .distinct()
            )
        }
    if through:
        wait(GRACE_SECONDS)
    for tenant, version in through.items():
        while count := _remove_tombstones(state, tenant, version):
            collected.tombstones += count
    with state.store.write() as connection:
        old = [clients.c[name] == answers.c[name] for name in ("tenant", "user", "client")]
        connection.execute(
            delete(answers).where(select(clients.c.n).where(*old, clients.c.seen_at < horizon).exists())
        )
        collected.clients = connection.execute(delete(clients).where(clients.c.seen_at < horizon)).rowcount
        connection.execute(delete(devices).where(devices.c.seen_at < horizon))
    return collected


_KNOWN = (clients, devices)
_HAS_NAME = or_(items.c.user != "", items.c.client != "", items.c.device.is_not(None))
_IS_FORGOTTEN = and_(items.c.deleted.is_(True), items.c.version <= tenants.c.forgotten_through)
_NAMED = items_named("named")


def _is_named(table: Table) -> ColumnElement[bool]:
    return and_(
        table.c.tenant == bindparam("of_tenant"),
        tuple_(table.c.slice, table.c.id).in_(select(_NAMED.c.slice, _NAMED.c.id)),
    )


def _erase_some(state: State, tenant: str, scope: Scope, with_items: bool) -> int:
    """Erases some items and names in one transaction, and returns how many; 0 where none are left."""
    left = or_(_HAS_NAME, items.c.deleted.is_(False)) if with_items else _HAS_NAME
    wanted = (
        select(items.c.slice, items.c.id, items.c.deleted)
        .where(items.c.tenant == tenant, scope.rows(items), left)
        .order_by(items.c.slice, items.c.id)
        .limit(ITEMS_AT_ONCE)
    )
    now = time.time_ns() // 1_000_000
    with state.store.read() as connection:
        if connection.execute(wanted.limit(1)).first() is None:
            return 0
    with state.store.write() as connection:
        history = lock_history(connection, tenant)
        rows = connection.execute(wanted).all()
        nobody = {"user": "", "client": "", "device": None}
        named = {"of_tenant": tenant, "named": names_of((row.slice, row.id) for row in rows)}
        connection.execute(items.update().where(_is_named(items)).values(nobody), named)
        gone = [(row.slice, row.id) for row in rows if not row.deleted]
        if with_items and gone:
            version = next_version(history, now)
            named = {"of_tenant": tenant, "named": names_of(gone)}
            dead = {"value": None, "deleted": True, "version": version, "at": now}
            connection.execute(items.update().where(_is_named(items)).values(dead), named)
            keep_version(connection, tenant, version)
            state.pokes.announce(connection, tenant, version)
        return len(rows)


def _forget_some(state: State, tenant: str, horizon: int) -> int:
    with state.store.write() as connection:
        history = lock_history(connection, tenant)
        through = find_forgettable(connection, history, horizon)
        if not through:
            return 0
        of_tenant = and_(versions.c.tenant == tenant, versions.c.version <= through)
        count = connection.scalar(select(func.count()).where(of_tenant)) or 0
        forget(connection, tenant, through)
        return count


def _remove_tombstones(state: State, tenant: str, through: int) -> int:
    with state.store.write() as connection:
        lock_history(connection, tenant)
        rows = connection.execute(
            select(items.c.slice, items.c.id)
            .where(items.c.tenant == tenant, items.c.deleted.is_(True), items.c.version <= through)
            .limit(ITEMS_AT_ONCE)
        ).all()
        if rows:
            named = {"of_tenant": tenant, "named": names_of((row.slice, row.id) for row in rows)}
            connection.execute(delete(items).where(_is_named(items)), named)
        return len(rows)
