"""Cursors: how far a device has pulled one slice. Opaque on the wire, so that their form can change."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from .wire import MAX_ID_BYTES


@dataclass(frozen=True)
class Cursor:
    """A position in the order (version, id) of one slice: everything up to and including it has been sent."""

    version: int  # 0 before the first
    id: str | None  # within that version; "" is before its first item, None behind its last
    #: Up to this version nothing is left out, also not the client's own changes: they are part of a pull
    #: from the beginning.
    whole_through: int = 0
    #: True if more pages of the same pull were to follow.
    midway: bool = False

    def text(self) -> str:
        """As it goes over the wire."""
        fields = [1, self.version, self.id, self.whole_through, int(self.midway)]
        return (
            base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")
        )


START = Cursor(version=0, id=None)


class UnreadableCursor(ValueError):
    """The text is no cursor of this server."""


def read_cursor(text: str) -> Cursor:
    """The reverse of `Cursor.text`. Raises UnreadableCursor for any other text."""
    try:
        if len(text) > 4 * MAX_ID_BYTES * 6:
            raise ValueError(text)
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        form, version, id_, whole_through, midway = json.loads(raw)
        if form != 1 or type(version) is not int or type(whole_through) is not int or midway not in (0, 1):
            raise ValueError(text)
        if version < 0 or whole_through < 0 or not (id_ is None or isinstance(id_, str)):
            raise ValueError(text)
        if id_ is not None:
            id_.encode()
    except (ValueError, TypeError, RecursionError):
        raise UnreadableCursor from None
    return Cursor(version, id_, whole_through, bool(midway))
