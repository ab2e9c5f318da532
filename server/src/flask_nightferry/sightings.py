"""Notes when a device was last heard of and how far it has pulled, for `flask nightferry clients`.

A pull waits for none of this: a thread writes it, at most once a minute for each device and process.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from .auth import Principal
from .background import Worker
from .schema import devices, upsert
from .store import Store

#: How old a note may be before a pull of the device writes a new one.
EVERY_SECONDS = 60.0
#: Notes that come within this time are written together.
BATCH_SECONDS = 0.05
#: Devices that a process remembers to have noted.
MAX_REMEMBERED = 10_000

Key = tuple[str, str, str]  # tenant, user, client


@dataclass(frozen=True)
class Sighting:
    """The last page of a pull, as it is noted."""

    principal: Principal
    client: str
    device: str | None
    pulled: int  # the version that it reached
    at: int  # epoch ms


class Sightings:
    """The notes of one process."""

    def __init__(self, store: Store, enabled: bool = True) -> None:
        """`enabled`: false where the database can't be written to."""
        self._store = store
        self._enabled = enabled
        self._lock = threading.Lock()
        self._noted: OrderedDict[Key, float] = OrderedDict()
        self._worker = Worker(
            "nightferry-devices", self._write, BATCH_SECONDS, failure="devices that pulled were not noted"
        )

    def note(self, seen: Sighting) -> None:
        """Called when a device has pulled all there is. Returns at once."""
        if self._enabled and self._is_due((seen.principal.tenant, seen.principal.user, seen.client)):
            self._worker.put(seen)

    def close(self) -> None:
        """Ends the thread, after what was handed to it."""
        self._worker.close()

    def _is_due(self, key: Key) -> bool:
        now = time.monotonic()
        with self._lock:
            last = self._noted.get(key)
            if last is not None and now - last < EVERY_SECONDS:
                return False
            self._noted[key] = now
            self._noted.move_to_end(key)
            if len(self._noted) > MAX_REMEMBERED:
                self._noted.popitem(last=False)
            return True

    def _write(self, seen: list[Sighting]) -> None:
        latest = {(s.principal.tenant, s.principal.user, s.client): s for s in seen}
        # In one order everywhere, so that two processes do not wait for one another in a circle.
        rows = [_row(key, latest[key]) for key in sorted(latest)]
        with self._store.write() as connection:
            statement = upsert(connection.dialect.name, devices)
            connection.execute(statement, rows)


def _row(key: Key, seen: Sighting) -> dict[str, Any]:
    tenant, user, client = key
    return {
        "tenant": tenant,
        "user": user,
        "client": client,
        "device": seen.device,
        "seen_at": seen.at,
        "pulled": seen.pulled,
    }
