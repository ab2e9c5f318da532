"""How many pushes of one tenant a process takes on at once, so that one tenant never takes all its threads.

A push may stand still in a hook, or behind a lock. Each such push keeps a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ApiError

#: Pushes of one tenant that a process works on at once, and those that may wait for a place among them.
UNDER_WAY = 4
WAITING = 3

#: How long a push waits for a place.
WAIT_SECONDS = 5.0


class Admission:
    """The pushes of all tenants in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: By tenant. One without pushes has no entry.
        self._under_way: dict[str, int] = {}
        self._waiting: dict[str, int] = {}

    @contextmanager
    def admit(self, tenant: str) -> Iterator[None]:
        """Holds a place for one push of the tenant. Raises ApiError `unavailable` where there is none."""
        self._enter(tenant)
        try:
            yield
        finally:
            with self._changed:
                _add(self._under_way, tenant, -1)
                self._changed.notify_all()

    def places_taken(self, tenant: str) -> tuple[int, int]:
        """How many pushes of the tenant are under way, and how many wait."""
        with self._changed:
            return self._under_way.get(tenant, 0), self._waiting.get(tenant, 0)

    def _enter(self, tenant: str) -> None:
        def has_place() -> bool:
            return self._under_way.get(tenant, 0) < UNDER_WAY

        with self._changed:
            if not has_place():
                if self._waiting.get(tenant, 0) >= WAITING:
                    raise _busy()
                _add(self._waiting, tenant, 1)
                try:
                    if not self._changed.wait_for(has_place, WAIT_SECONDS):
                        raise _busy()
                finally:
                    _add(self._waiting, tenant, -1)
            _add(self._under_way, tenant, 1)


def _add(counts: dict[str, int], tenant: str, change: int) -> None:
    count = counts.get(tenant, 0) + change
    if count:
        counts[tenant] = count
    else:
        del counts[tenant]


def _busy() -> ApiError:
    return ApiError(
        "unavailable",
        "The server is still working on earlier changes of the same data. Nothing was changed. "
        "Send again later.",
    )
