"""Notices an app whose users share a tenant, and with it all their items, without meaning to."""

from __future__ import annotations

import logging
import threading

from .auth import Principal

logger = logging.getLogger("flask_nightferry")

#: More tenants than this are not remembered: an app with that many has not given all users the same one.
MAX_TENANTS = 10_000


class SharedTenantWarning:
    """Warns once, in the log, when one tenant is seen with two users."""

    def __init__(self, shared_tenant: bool) -> None:
        """`shared_tenant`: the app says that its users share a tenant, so nothing is to be warned of."""
        self._done = shared_tenant
        #: The first user of each tenant that this process has seen.
        self._first_users: dict[str, str] = {}
        self._warning = threading.Lock()

    def observe(self, principal: Principal) -> None:
        """Called for every signed-in request."""
        if self._done:
            return
        if len(self._first_users) < MAX_TENANTS:
            first = self._first_users.setdefault(principal.tenant, principal.user)
        else:
            first = self._first_users.get(principal.tenant, principal.user)
        if first != principal.user:
            self._warn(principal.tenant, first, principal.user)

    def _warn(self, tenant: str, first: str, second: str) -> None:
        with self._warning:
            if self._done:
                return  # another thread was faster
            self._done = True
        self._first_users.clear()
        logger.warning(
            "authenticate gave the tenant %r to two users, %r and %r: each of them reads and changes all "
            "items of the other. If every user has items of their own, answer "
            "Principal(tenant=user, user=user). If they are meant to be shared, set "
            "NIGHTFERRY_SHARED_TENANT = True.",
            tenant,
            first,
            second,
        )
