"""The messages of protocol 1: checked requests as dataclasses, and the fields of the answers.

A request whose envelope can't be read is refused as a whole (`invalid_request`). A mutation that names its
item but is not usable otherwise becomes a `BadMutation`: it is rejected alone, and the others of its push
apply.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from . import strict_json
from .errors import ApiError

PROTOCOL = 1

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_ID_BYTES = 1000
MAX_MUTATIONS = 500
#: Each may move all elements of a long array while others wait. A put is the better mutation beyond.
MAX_PATCH_OPERATIONS = 1000
MAX_SLICES = 200
MAX_PAGE = 1000
MAX_MINE = 1000
MAX_DEVICE_CHARACTERS = 100
MAX_TOKEN_CHARACTERS = 8192
DEFAULT_PAGE = 500

_SLICE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
_TOKEN = re.compile(r"[!-~]{1,100}")
_BEARER = re.compile(rf"[!-~]{{1,{MAX_TOKEN_CHARACTERS}}}")
#: Control characters (the category Cc) would spoil a line of a page or of a log.
_DEVICE = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{MAX_DEVICE_CHARACTERS}}}")
#: Possessive, so that a long path that does not match is given up at once.
_POINTER = re.compile(r"(?:/(?:[^~/]++|~[01])*+)*+", re.DOTALL)


@dataclass(frozen=True)
class Mutation:
    """One operation on one item, against the version `base` (None: the sender knows of no such item)."""

    slice: str
    id: str
    op: str  # "put" | "patch" | "delete"
    base: int | None
    at: int  # epoch milliseconds, by the device's clock
    value: Any = None  # of a put
    patch: tuple[dict[str, Any], ...] = ()  # of a patch: JSON Patch operations


@dataclass(frozen=True)
class BadMutation:
    """A mutation that is rejected whatever the server holds."""

    slice: str
    id: str
    code: str
    message: str


@dataclass(frozen=True)
class PushRequest:
    client: str
    principal: str
    user: str | None  # the user that the device was registered for, where it knows one
    device: str | None  # the device's name for people
    n: int  # the client's count of pushes
    tag: str  # random, tells two pushes with one n apart
    answered: int | None  # the newest version that an answer to the device's pushes has named
    mutations: tuple[Mutation | BadMutation, ...]


@dataclass(frozen=True)
class PullRequest:
    client: str
    principal: str | None
    user: str | None
    device: str | None
    slices: dict[str, str | None]  # slice -> cursor
    mine: frozenset[int]  # versions that the device's own pushes were answered
    answered: int | None  # the newest version that an answer to the device's pushes has named
    limit: int


@dataclass(frozen=True)
class LiveRequest:
    """The first message of a live connection."""

    client: str
    principal: str | None
    user: str | None
    token: str | None  # what an Authorization header would bear


def live_request(message: Any) -> LiveRequest:
    """Check the first message of a live connection. Raises ApiError."""
    fields = _envelope(message)
    token = fields.get("token")
    if token is not None and not (isinstance(token, str) and _BEARER.fullmatch(token)):
        raise _invalid(f"token must be a string of 1 to {MAX_TOKEN_CHARACTERS} printable ASCII characters.")
    _device(fields.get("device"))
    return LiveRequest(
        client=_token(fields, "client"),
        principal=_optional_string(fields.get("principal"), "principal"),
        user=_optional_string(fields.get("user"), "user"),
        token=token,
    )


def push_request(message: Any, slices: Collection[str] | None = None) -> PushRequest:
    """Check the body of a push; `slices` are those that the server takes, None for all. Raises ApiError."""
    fields = _envelope(message)
    principal = fields.get("principal")
    if principal is None:
        raise ApiError(
            "principal_required",
            "A push names the principal that earlier answers gave. Pull first, with no slices if you like, "
            "and take the principal from the answer.",
        )
    entries = fields.get("mutations")
    if not isinstance(entries, list):
        raise _invalid("mutations must be an array.")
    if len(entries) > MAX_MUTATIONS:
        raise ApiError(
            "too_large", f"A push holds at most {MAX_MUTATIONS} mutations. Send fewer changes at once."
        )
    request = PushRequest(
        client=_token(fields, "client"),
        principal=_string(principal, "principal"),
        user=_optional_string(fields.get("user"), "user"),
        device=_device(fields.get("device")),
        n=_count(fields.get("n"), "n"),
        tag=_token(fields, "tag"),
        answered=_optional_count(fields.get("answered"), "answered"),
        mutations=tuple(
            _mutation(entry, f"mutations[{index}]", slices) for index, entry in enumerate(entries)
        ),
    )
    _require_distinct_items(request.mutations)
    return request


def pull_request(message: Any) -> PullRequest:
    """Check the body of a pull. Raises ApiError."""
    fields = _envelope(message)
    slices = _object(fields.get("slices"), "slices")
    if len(slices) > MAX_SLICES:
        raise ApiError("too_large", f"A pull asks for at most {MAX_SLICES} slices.")
    for name, cursor in slices.items():
        if not _SLICE.fullmatch(name):
            raise _invalid("slices has a name that no slice can have; it must match [A-Za-z][A-Za-z0-9_-]*.")
        if cursor is not None and not isinstance(cursor, str):
            raise _invalid(f"slices.{name} must be a cursor or null.")
    limit = fields.get("limit")
    limit = DEFAULT_PAGE if limit is None else _count(limit, "limit")
    if limit < 1:
        raise _invalid("limit must be at least 1.")
    return PullRequest(
        client=_token(fields, "client"),
        principal=_optional_string(fields.get("principal"), "principal"),
        user=_optional_string(fields.get("user"), "user"),
        device=_device(fields.get("device")),
        slices=dict(slices),
        mine=_mine(fields.get("mine")),
        answered=_optional_count(fields.get("answered"), "answered"),
        limit=min(limit, MAX_PAGE),
    )


def slice_fault(name: str) -> str | None:
    """The sentence that says why no slice can have this name; None where one can."""
    return None if _SLICE.fullmatch(name) else "The slice's name must match [A-Za-z][A-Za-z0-9_-]*."


def id_fault(id_: str) -> str | None:
    """The sentence that says why no item can have this id; None where one can."""
    if strict_json.well_formed(id_) != id_:
        return "An id may not hold a lone surrogate."
    if not 1 <= len(id_.encode()) <= MAX_ID_BYTES:
        return f"An id takes 1 to {MAX_ID_BYTES} bytes in UTF-8."
    return None


def _mine(versions: Any) -> frozenset[int]:
    if versions is None:
        return frozenset()
    if not isinstance(versions, list) or not all(_is_count(version) for version in versions):
        raise _invalid("mine must be an array of versions.")
    if len(versions) > MAX_MINE:
        raise ApiError("too_large", f"A pull names at most {MAX_MINE} versions in mine.")
    return frozenset(versions)


def _envelope(message: Any) -> dict[str, Any]:
    fields = _object(message, "The body")
    protocol = fields.get("protocol")
    if not _is_count(protocol):
        raise _invalid("protocol must be a number.")
    if protocol != PROTOCOL:
        raise ApiError(
            "unsupported_protocol",
            f"This server speaks protocol {PROTOCOL}; the request says {protocol}. Update flask-nightferry "
            "on the server, or reload the page to get the client that fits it.",
        )
    return fields


def _mutation(entry: Any, where: str, slices: Collection[str] | None) -> Mutation | BadMutation:
    fields = _object(entry, where)
    slice_ = _string(fields.get("slice"), f"{where}.slice")
    id_ = _string(fields.get("id"), f"{where}.id")

    def bad(code: str, message: str) -> BadMutation:
        return BadMutation(slice_, id_, code, message)

    if (fault := slice_fault(slice_)) is not None:
        return bad("invalid_slice", fault)
    if (fault := id_fault(id_)) is not None:
        return bad("invalid_id", fault)
    if (fault := id_fault(fields["id"])) is not None:
        return bad("invalid_id", fault)
    if slices is not None and slice_ not in slices:
        message = f"This server does not take the slice {slice_}. Update the server, or reload the page."
        return bad("unknown_slice", message)
    op, base, at = fields.get("op"), fields.get("base"), fields.get("at")
    if op not in ("put", "patch", "delete"):
        return bad("invalid_mutation", "op must be put, patch or delete.")
    if "base" not in fields or not (base is None or _is_count(base)):
        return bad("invalid_mutation", "base must be a version or null.")
    if not isinstance(at, int) or not _is_count(at):
        return bad("invalid_mutation", "at must be the time in epoch milliseconds.")
    try:
        if op == "put":
            if "value" not in fields:
                return bad("invalid_mutation", "A put needs a value.")
            value = strict_json.checked(fields["value"])
            strict_json.sized_text_of(value)
            return Mutation(slice_, id_, op, base, at, value=value)
        if op == "patch":
            if base is None:
                return bad("invalid_mutation", "A patch needs the version that it was made against as base.")
            return Mutation(slice_, id_, op, base, at, patch=_patch(fields.get("patch")))
    except strict_json.RefusedValue as refusal:
        code = "too_large" if refusal.reason == "too_large" else "invalid_value"
        return bad(code, f"The {refusal}")
    except _BadPatch as refusal:
        return bad("invalid_patch", str(refusal))
    return Mutation(slice_, id_, op, base, at)


class _BadPatch(ValueError):
    pass


def _patch(entries: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(entries, list) or len(entries) > MAX_PATCH_OPERATIONS:
        raise _BadPatch(f"A patch is an array of at most {MAX_PATCH_OPERATIONS} operations.")
    return tuple(_patch_operation(entry, index) for index, entry in enumerate(entries))


def _patch_operation(entry: Any, index: int) -> dict[str, Any]:
    if not isinstance(entry, dict) or entry.get("op") not in ("add", "remove", "replace"):
        raise _BadPatch(f"Operation {index} of the patch must be add, remove or replace.")
    path = entry.get("path")
    if isinstance(path, str) and path.count("/") > strict_json.MAX_DEPTH:
        raise _BadPatch(f"Operation {index} of the patch is deeper than {strict_json.MAX_DEPTH} levels.")
    if not isinstance(path, str) or not _POINTER.fullmatch(path):
        raise _BadPatch(f"The path of operation {index} of the patch must be a JSON Pointer.")
    path = strict_json.well_formed(path)
    if "__proto__" in path.split("/"):
        raise strict_json.RefusedValue("proto_key", path)
    if entry["op"] == "remove":
        return {"op": "remove", "path": path}
    if "value" not in entry:
        raise _BadPatch(f"Operation {index} of the patch needs a value.")
    return {"op": entry["op"], "path": path, "value": strict_json.checked(entry["value"])}


def _require_distinct_items(mutations: tuple[Mutation | BadMutation, ...]) -> None:
    seen: set[tuple[str, str]] = set()
    for index, mutation in enumerate(mutations):
        item = (mutation.slice, mutation.id)
        if item in seen:
            raise _invalid(f"mutations[{index}] is a second mutation of one item; a push holds one of each.")
        seen.add(item)


def _object(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, strict_json.DuplicateKey):
        raise ApiError("invalid_json", f"{where} is not strict JSON: a key occurs twice in it.")
    if not isinstance(value, dict):
        raise _invalid(f"{where} must be an object.")
    if "__proto__" in value:
        raise ApiError("invalid_json", f"{where} holds the key __proto__, which is not allowed.")
    return value


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{where} must be a string.")
    return strict_json.well_formed(value)


def _optional_string(value: Any, where: str) -> str | None:
    return None if value is None else _string(value, where)


def _device(value: Any) -> str | None:
    name = _optional_string(value, "device")
    if name is not None and not _DEVICE.fullmatch(name):
        raise _invalid(
            f"device must be a name of 1 to {MAX_DEVICE_CHARACTERS} characters, and none may be a control "
            "character."
        )
    return name


def _token(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _invalid(f"{name} must be a string of 1 to 100 printable ASCII characters without spaces.")
    return value


def _count(value: Any, where: str) -> int:
    if not _is_count(value):
        raise _invalid(f"{where} must be an integer from 0 to 2^53 - 1.")
    return int(value)


def _optional_count(value: Any, where: str) -> int | None:
    return None if value is None else _count(value, where)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= strict_json.MAX_INTEGER


def _invalid(message: str) -> ApiError:
    return ApiError("invalid_request", message)
