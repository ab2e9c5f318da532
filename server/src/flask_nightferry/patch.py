"""JSON Patch (RFC 6902), with the operations that the wire knows: add, remove, replace."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException
from jsonpointer import JsonPointerException

from .strict_json import checked, sized_text_of


class PatchFailed(ValueError):
    """The patch does not fit the value. The message names the operation, by its index."""


def patched(value: Any, patch: Sequence[dict[str, Any]]) -> Any:
    """A patched copy of `value`. Raises PatchFailed, and RefusedValue where the result may not be kept."""
    result = copy.deepcopy(value)
    for index, operation in enumerate(patch):
        if operation["path"] == "" and operation["op"] != "remove":
            result = copy.deepcopy(operation["value"])
            continue
        try:
            result = JsonPatch([copy.deepcopy(operation)]).apply(result, in_place=True)
        except (JsonPatchException, JsonPointerException, TypeError, LookupError, ValueError):
            raise PatchFailed(f"Operation {index} of the patch does not fit the item.") from None
    result = checked(result)
    sized_text_of(result)
    return result
