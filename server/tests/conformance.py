"""What the conformance suites of `tests/wire/` have in common: symbolic versions, and rows of the server."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Flask
from sqlalchemy import Connection

from flask_nightferry import schema, strict_json
from flask_nightferry.state import state_of

TENANT = "acme"

#: Text that something else than Nightferry wrote.
UNREADABLE = "{not json"


class Versions:
    """The numbers behind the symbolic versions of one case."""

    def __init__(self, case: dict[str, Any]) -> None:
        hour_ago = (time.time_ns() // 1_000_000 - 3_600_000) * 1024
        self.known = {symbol: hour_ago + int(symbol[1:]) * 1024 for symbol in _symbols(case)}
        self.latest = max(self.known.values(), default=0)
        self.numbers: dict[str | None, int | None] = {None: None, "unknown": hour_ago + 512, **self.known}

    def number(self, symbol: Any) -> Any:
        return self.numbers[symbol]

    def bind(self, symbol: str | None, number: int | None) -> None:
        """Takes a version out of an answer. A symbol that is new must be newer than all before it."""
        if symbol not in self.numbers:
            assert symbol is not None
            assert symbol.startswith("new")
            assert number is not None, f"{symbol} is null"
            assert number > self.latest, f"{symbol} is not newer than the versions before it"
            self.numbers[symbol] = self.latest = number
        assert self.numbers[symbol] == number, f"the version is not {symbol}"


def _symbols(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {
            symbol
            for key, element in value.items()
            for symbol in (
                {element}
                if key in ("version", "base", "answered", "forget") and re.fullmatch(r"v[1-9]", str(element))
                else _symbols(element)
            )
        }
    return {symbol for element in value for symbol in _symbols(element)} if isinstance(value, list) else set()


def store(app: Flask, versions: Versions, rows: list[dict[str, Any]]) -> None:
    """Makes the server's database as the case has it before."""
    database = state_of(app).store
    database.create_tables()
    with database.write() as connection:
        history = {"tenant": TENANT, "last_version": versions.latest, "forgotten_through": 0}
        connection.execute(schema.tenants.insert(), history)
        for number in versions.known.values():
            connection.execute(schema.versions.insert(), {"tenant": TENANT, "version": number})
        insert_rows(connection, versions, rows)


def insert_rows(connection: Connection, versions: Versions, rows: list[dict[str, Any]]) -> None:
    """Stores the rows of a case; none of their items may be there."""
    for row in rows:
        value = UNREADABLE if "unreadable" in row else strict_json.text_of(row.get("value"))
        columns = {name: row[name] for name in ("slice", "id", "at", "user", "client")}
        columns |= {
            "tenant": TENANT,
            "version": versions.number(row["version"]),
            "device": row.get("device"),
        }
        columns |= {"deleted": "deleted" in row, "value": None if "deleted" in row else value}
        connection.execute(schema.items.insert(), columns)


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal: `true` is not `1`, and `1.0` is `1`."""
    equal = strict_json.same(strict_json.checked(left), strict_json.checked(right))
    if not equal:
        print(f"found    {left}\nexpected {right}")
    return equal
