"""JSON as every side of Nightferry reads and writes it: strictly, and as values rather than texts.

Reading has two steps, so that one bad item does not spoil the request around it. `parse` refuses what is not
JSON at all; `checked` then goes through one value and refuses what Nightferry does not keep, naming the
place. `tests/wire/values.json` lists examples of both.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 100
MAX_VALUE_BYTES = 4 * 1024 * 1024

_SURROGATE = re.compile("[\ud800-\udfff]")

_REASONS = {
    "not_finite": "is a number too large to be kept",
    "unsafe_integer": "is a number beyond 2^53 - 1, which browsers would round",
    "proto_key": "is a key that is not allowed",
    "duplicate_key": "is a key that occurs twice in one object",
    "too_deep": f"is nested deeper than {MAX_DEPTH} levels",
    "too_large": f"is larger than the limit of {MAX_VALUE_BYTES} bytes",
    "not_json": "is not a JSON value",
}


class InvalidJson(ValueError):
    """The text is not JSON. The message says where, by line and column, and quotes nothing of the text."""


class RefusedValue(ValueError):
    """A value that Nightferry does not keep. `path` is a JSON Pointer into it, `""` for the value itself."""

    def __init__(self, reason: str, path: str = "") -> None:
        where = f"value{path}" if len(path) <= 200 else f"value{path[:200]}…"
        super().__init__(f"{where} {_REASONS[reason]}.")
        self.reason = reason
        self.path = path


@dataclass(frozen=True)
class DuplicateKey:
    """Stands, in what `parse` answers, for an object in which `key` occurred twice."""

    key: str


def parse(data: bytes | str) -> Any:
    """Read a JSON text in UTF-8.

    What comes back may still hold what `checked` refuses: infinities, too large integers, `DuplicateKey`,
    lone surrogates. Raises InvalidJson.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        return json.loads(text, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise InvalidJson(f"it is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise InvalidJson(f"it is nested far deeper than {MAX_DEPTH} levels") from None


def checked(value: Any) -> Any:
    """The value as it is stored: -0 is 0, 1.0 is 1, lone surrogates are U+FFFD. Raises RefusedValue."""
    try:
        return _checked(value, 1)
    except _Refusal as refusal:
        raise RefusedValue(refusal.reason, refusal.path()) from None


def text_of(value: Any) -> str:
    """The value as compact JSON that every strict reader takes. Raises ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def sized_text_of(value: Any) -> str:
    """As `text_of`, for an item. Raises RefusedValue when it takes more than MAX_VALUE_BYTES in UTF-8."""
    text = text_of(value)
    if len(text) * 3 > MAX_VALUE_BYTES and len(text.encode()) > MAX_VALUE_BYTES:
        raise RefusedValue("too_large")
    return text


def same(left: Any, right: Any) -> bool:
    """True if two checked values are equal as JSON: key order means nothing, `true` is not `1`."""
    return _canonical(left) == _canonical(right)


def well_formed(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _integer(digits: str) -> int:
    # Longer than any integer that is kept: its exact value does not matter, and reading it could take long.
    return int(digits) if len(digits) <= 17 else MAX_INTEGER + 1


def _constant(name: str) -> Any:
    raise InvalidJson(f"it holds {name}, which JSON does not know")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | DuplicateKey:
    found = dict(pairs)
    return found if len(found) == len(pairs) else DuplicateKey(_first_repeated([key for key, _ in pairs]))


def _first_repeated(keys: list[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return ""


class _Refusal(Exception):
    """Why a value is refused, and the way to the place, from the inside out: keys and indexes."""

    def __init__(self, reason: str, *way: str | int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.way: list[str | int] = list(way)

    def path(self) -> str:
        return "".join(_pointer_part(part) for part in reversed(self.way))


def _checked(value: Any, depth: int) -> Any:
    # No path is kept on the way down: a long key above many elements would be copied for each of them.
    if type(value) is int and -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    if isinstance(value, str):
        return well_formed(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _checked_number(value)
    if isinstance(value, DuplicateKey):
        raise _Refusal("duplicate_key", well_formed(value.key))
    if not isinstance(value, dict | list):
        raise _Refusal("not_json")
    if depth > MAX_DEPTH:
        raise _Refusal("too_deep")
    return _checked_list(value, depth) if isinstance(value, list) else _checked_object(value, depth)


def _checked_list(value: list[Any], depth: int) -> list[Any]:
    result: list[Any] = []
    try:
        for element in value:
            result.append(_checked(element, depth + 1))
    except _Refusal as refusal:
        refusal.way.append(len(result))
        raise
    return result


def _checked_object(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, element in value.items():
        if not isinstance(key, str):
            raise _Refusal("not_json")
        key = well_formed(key)
        if key == "__proto__":
            raise _Refusal("proto_key", key)
        if key in result:
            raise _Refusal("duplicate_key", key)
        try:
            result[key] = _checked(element, depth + 1)
        except _Refusal as refusal:
            refusal.way.append(key)
            raise
    return result


def _checked_number(number: int | float) -> int | float:
    if not math.isfinite(number):
        raise _Refusal("not_finite")
    if abs(number) > MAX_INTEGER:
        raise _Refusal("unsafe_integer")
    return int(number) if number == int(number) else number


def _pointer_part(part: str | int) -> str:
    return f"/{part}" if isinstance(part, int) else f"/{part.replace('~', '~0').replace('/', '~1')}"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
