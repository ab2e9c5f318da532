"""Versions. A version names one transaction of a tenant: `max(last + 1, epoch ms x 1024 + random below
1024)`.

The random part keeps two histories apart that start from one backup: neither gives the versions of the other,
so a version that a device has seen and this server does not know tells that the server's history is another
one.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, func, select
from sqlalchemy.exc import IntegrityError

from .errors import ApiError
from .lists import numbers
from .schema import tenants, versions

#: The largest version that a column of versions holds.
MAX_VERSION = 2**63 - 1

_random = random.SystemRandom()


#: Versions that one push forgets at most.
_FORGOTTEN_AT_ONCE = 500


@dataclass(frozen=True)
class History:
    """A tenant's versions, at one moment."""

    tenant: str
    last_version: int  # 0 before the first
    forgotten_through: int  # versions up to this one need not be known any more
    known: frozenset[int] = frozenset()  # of the versions that were asked for

    def require_known(self, named: Collection[tuple[str, int]]) -> None:
        """Refuses versions that this history should know and does not; each is named with its slice.

        They must be among those that were asked for when it was read. Raises ApiError `history_changed`, for
        the slices of these versions.
        """
        unknown = {slice_ for slice_, version in named if not self._knows(version)}
        if unknown:
            raise _history_changed(unknown)

    def require_answered(self, version: int | None, slices: Collection[str]) -> None:
        """Refuses a device that was answered with a version which this history should know and does not.

        It must be among those that were asked for when it was read. Raises ApiError `history_changed`, for
        these slices, which are all of the request.
        """
        if version is not None and not self._knows(version):
            raise _history_changed(slices)

    def _knows(self, version: int) -> bool:
        return version <= self.forgotten_through or version in self.known


def _history_changed(slices: Collection[str]) -> ApiError:
    return ApiError(
        "history_changed",
        "The server does not know a version that this device has seen; it was probably restored "
        "from a backup. Rebuild with a full pull.",
        slices=slices,
    )


def read_history(connection: Connection, tenant: str, asked: Iterable[int] = ()) -> History:
    """The tenant's versions, and which of those asked for it knows. One statement: they are of one moment."""
    possible = [version for version in set(asked) if version <= MAX_VERSION]
    rows = connection.execute(_READ, {"of_tenant": tenant, "asked": possible}).all()
    if not rows:
        return History(tenant, 0, 0)
    known = frozenset(row.version for row in rows if row.version is not None)
    return History(tenant, rows[0].last_version, rows[0].forgotten_through, known)


def lock_history(connection: Connection, tenant: str) -> History:
    """The tenant's versions, for writing: other writers of this tenant wait until the transaction ends.

    So a version is visible only when all before it are, and a pull never skips a transaction that was still
    open. PostgreSQL has to read committed: what a statement after this one reads is as the writer before left
    it.
    """
    history = _lock(connection, tenant)
    if history is not None:
        return history
    try:
        with connection.begin_nested():
            connection.execute(
                tenants.insert(), {"tenant": tenant, "last_version": 0, "forgotten_through": 0}
            )
    except IntegrityError:
        pass  # another writer made it meanwhile
    history = _lock(connection, tenant)
    assert history is not None  # noqa: S101
    return history


def _lock(connection: Connection, tenant: str) -> History | None:
    row = connection.execute(_LOCK, {"of_tenant": tenant}).one_or_none()
    return None if row is None else History(tenant, row.last_version, row.forgotten_through)


_OF_TENANT = tenants.c.tenant == bindparam("of_tenant")
_LOCK = select(tenants.c.last_version, tenants.c.forgotten_through).where(_OF_TENANT).with_for_update()
_READ = (
    select(tenants.c.last_version, tenants.c.forgotten_through, versions.c.version)
    .outerjoin_from(
        tenants,
        versions,
        and_(versions.c.tenant == tenants.c.tenant, versions.c.version.in_(numbers("asked"))),
    )
    .where(_OF_TENANT)
)


def next_version(history: History, now: int) -> int:
    """The version of the transaction that has locked the history; `now` is in epoch ms."""
    return max(history.last_version + 1, now * 1024 + _random.randrange(1024))


def keep_version(connection: Connection, tenant: str, version: int) -> None:
    """Writes down the version of this transaction, once."""
    connection.execute(versions.insert(), {"tenant": tenant, "version": version})
    connection.execute(tenants.update().where(tenants.c.tenant == tenant).values(last_version=version))


def find_forgettable(connection: Connection, history: History, horizon: int) -> int:
    """Through which version the tenant may forget now; 0 where there is nothing to forget.

    `horizon` is in epoch ms. The newest version behind it is kept: a device that has pulled since may be
    there.
    """
    of_tenant = versions.c.tenant == history.tenant
    kept = select(func.max(versions.c.version)).where(of_tenant, versions.c.version < horizon * 1024)
    oldest = (
        select(versions.c.version)
        .where(of_tenant, versions.c.version < kept.scalar_subquery())
        .order_by(versions.c.version)
        .limit(_FORGOTTEN_AT_ONCE)
        .subquery()
    )
    return connection.scalar(select(func.max(oldest.c.version))) or 0


def forget(connection: Connection, tenant: str, through: int) -> None:
    """Forgets the versions up to and including this one. The tenant must be locked."""
    connection.execute(versions.delete().where(versions.c.tenant == tenant, versions.c.version <= through))
    connection.execute(
        tenants.update()
        .where(tenants.c.tenant == tenant, tenants.c.forgotten_through < through)
        .values(forgotten_through=through)
    )
