"""Compare-and-set: the effect of a mutation on the item as it is stored. Nothing here reads or writes.

| operation | no row | tombstone | row |
|---|---|---|---|
| put | null base: applies | same base: applies | equal value: no effect; same base: applies |
| delete | null base: makes a tombstone | no effect | same base: applies |
| patch | | | same base: applies, or no effect where it changes nothing |

A base is the same if it is the version of the row or of the tombstone. All else is a conflict. So a null base
means that there is no row at all. If it applied on a tombstone, a creation that is sent twice would undo a
deletion in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import strict_json
from .patch import Moves, PatchFailed, patched
from .rows import StoredItem, Unreadable
from .wire import Mutation


class Conflict(Exception):
    """The item does not have the version that was given as base: it was changed or deleted meanwhile."""


class Rejected(Exception):
    """The mutation is rejected; the others of its push go on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Effect:
    """The effect of a mutation on its item when it applies."""

    deleted: bool
    value: Any = None


def decide(mutation: Mutation, row: StoredItem | None, moves: Moves) -> Effect | None:
    """Returns the effect of the mutation, None where the item is already as the mutation wants it.

    `moves` counts for all patches of a push. Raises Conflict and Rejected, and ApiError (`too_large`).
    """
    if mutation.op == "delete":
        return _decide_delete(mutation, row)
    if mutation.op == "put":
        return _decide_put(mutation, row)
    return _decide_patch(mutation, row, moves)


def rejected_value(subject: str, refusal: strict_json.RefusedValue) -> Rejected:
    """The rejection of a value that Nightferry does not keep."""
    return Rejected("too_large" if refusal.reason == "too_large" else "invalid_value", f"{subject} {refusal}")


def _decide_delete(mutation: Mutation, row: StoredItem | None) -> Effect | None:
    if row is not None and row.deleted:
        return None
    _require_base(mutation, row)
    # Without a row a tombstone is made, so that the answer has a version.
    return Effect(deleted=True)


def _decide_put(mutation: Mutation, row: StoredItem | None) -> Effect | None:
    if row is not None and row.holds(mutation.value):
        return None
    _require_base(mutation, row)
    return Effect(deleted=False, value=mutation.value)


def _decide_patch(mutation: Mutation, row: StoredItem | None, moves: Moves) -> Effect | None:
    if row is None or row.deleted:
        raise Conflict
    _require_base(mutation, row)
    try:
        value = patched(row.copy_of_value(), mutation.patch, moves)
    except PatchFailed as failure:
        raise Rejected("invalid_patch", str(failure)) from None
    except Unreadable:
        raise unreadable() from None
    except strict_json.RefusedValue as refusal:
        raise rejected_value("With the patch, the", refusal) from None
    return None if row.holds(value) else Effect(deleted=False, value=value)


def unreadable() -> Rejected:
    """The rejection of a mutation that needs a stored value which can't be read."""
    return Rejected("unreadable", "The server can't read the value that it has stored.")


def _require_base(mutation: Mutation, row: StoredItem | None) -> None:
    if mutation.base != (None if row is None else row.version):
        raise Conflict
