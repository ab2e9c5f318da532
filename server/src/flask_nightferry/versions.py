"""Versions. A version names one transaction of a tenant: `max(last + 1, epoch ms x 1024 + random below
1024)`.

The random part keeps two histories apart that start from one backup: neither gives the versions of the other,
so a version that a device has seen and this server does not know tells that the server's history is another
one.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from .errors import ApiError
from .schema import tenants, versions

_random = random.SystemRandom()


@dataclass
class History:
    """A tenant's versions, as one transaction sees them."""

    tenant: str
    last_version: int  # 0 before the first
    forgotten_through: int  # versions up to this one need not be known any more

    def next_version(self, connection: Connection, now: int) -> int:
        """Give this transaction its version; `now` is in epoch ms.

        The tenant must be locked. Call it once a transaction.
        """
        version = max(self.last_version + 1, now * 1024 + _random.randrange(1024))
        connection.execute(versions.insert(), {"tenant": self.tenant, "version": version})
        connection.execute(
            tenants.update().where(tenants.c.tenant == self.tenant).values(last_version=version)
        )
        self.last_version = version
        return version

    def require_known(self, connection: Connection, named: Collection[tuple[str, int]]) -> None:
        """Refuses versions that this history should know and does not; each is named with its slice.

        Raises ApiError `history_changed`, for the slices of these versions.
        """
        recent = {version for _, version in named if version > self.forgotten_through}
        possible = [version for version in recent if version <= self.last_version]
        if possible:
            query = select(versions.c.version).where(versions.c.tenant == self.tenant)
            recent -= set(connection.scalars(query.where(versions.c.version.in_(possible))))
        if recent:
            raise ApiError(
                "history_changed",
                "The server does not know a version that this device has seen; it was probably restored "
                "from a backup. Rebuild with a full pull.",
                slices={slice_ for slice_, version in named if version in recent},
            )


def read_history(connection: Connection, tenant: str) -> History:
    """The tenant's versions, for reading."""
    return _find(connection, tenant, lock=False) or History(tenant, 0, 0)


def lock_history(connection: Connection, tenant: str) -> History:
    """The tenant's versions, for writing: other writers of this tenant wait until the transaction ends.

    So a version is visible only when all before it are, and a pull never skips a transaction that was still
    open.
    """
    history = _find(connection, tenant, lock=True)
    if history is not None:
        return history
    try:
        with connection.begin_nested():
            connection.execute(
                tenants.insert(), {"tenant": tenant, "last_version": 0, "forgotten_through": 0}
            )
    except IntegrityError:
        pass  # another writer made it meanwhile
    history = _find(connection, tenant, lock=True)
    assert history is not None  # noqa: S101
    return history


def _find(connection: Connection, tenant: str, *, lock: bool) -> History | None:
    query = select(tenants.c.last_version, tenants.c.forgotten_through).where(tenants.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else History(tenant, row.last_version, row.forgotten_through)
