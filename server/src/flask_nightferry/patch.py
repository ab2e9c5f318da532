"""JSON Patch (RFC 6902), with the operations that the wire knows: add, remove, replace."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointer, JsonPointerException

from .errors import ApiError
from .strict_json import checked, sized_text_of

#: How many elements of arrays one patch may move. An element that is added or removed moves all behind it, so
#: a short patch of a long array can keep the server busy. A put is the better mutation beyond.
MAX_MOVES = 10_000_000

#: The same for all patches of one push.
MAX_MOVES_AT_ONCE = 5 * MAX_MOVES


class PatchFailed(ValueError):
    """The patch does not fit the value, or is too much work. The message says which."""


class Moves:
    """Counts the elements that the patches of one push move."""

    def __init__(self) -> None:
        self._of_push = 0
        self._of_patch = 0

    def begin_patch(self) -> None:
        """The next moves are another patch's."""
        self._of_patch = 0

    def add(self, count: int) -> None:
        """Counts moves before they are made. Raises PatchFailed, or ApiError for what the push moves."""
        self._of_patch += count
        self._of_push += count
        if self._of_patch > MAX_MOVES:
            raise PatchFailed(
                f"The patch moves more than {MAX_MOVES} elements of arrays. Send a put instead."
            )
        if self._of_push > MAX_MOVES_AT_ONCE:
            raise ApiError(
                "too_large",
                f"The patches move more than {MAX_MOVES_AT_ONCE} elements of arrays. Send fewer changes at "
                "once.",
            )


def patched(value: Any, patch: Sequence[dict[str, Any]], moves: Moves) -> Any:
    """The value with the patch, which is applied in place.

    Raises PatchFailed, RefusedValue where the result may not be kept, and ApiError (`too_large`).
    """
    moves.begin_patch()
    for index, operation in enumerate(patch):
        if operation["path"] == "" and operation["op"] != "remove":
            value = copy.deepcopy(operation["value"])
            continue
        try:
            moves.add(_moves(value, operation))
            value = JsonPatch([copy.deepcopy(operation)]).apply(value, in_place=True)
        except PatchFailed:
            raise
        except (JsonPatchException, JsonPointerException, TypeError, LookupError, ValueError):
            raise PatchFailed(f"Operation {index} of the patch does not fit the item.") from None
    value = checked(value)
    sized_text_of(value)
    return value


def _moves(value: Any, operation: dict[str, Any]) -> int:
    """How many elements the operation moves, at most."""
    if operation["op"] == "replace":
        return 0
    parent, place = JsonPointer(operation["path"]).to_last(value)
    return max(0, len(parent) - place) if isinstance(parent, list) and isinstance(place, int) else 0
