"""Lists in a statement, as one JSON parameter each.

So the statement's text does not depend on what a request asks for. A text for each number of slices would
fill the caches of statements, in SQLAlchemy and in the database's driver.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Dialect,
    Select,
    Text,
    TypeDecorator,
    bindparam,
    column,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from .schema import ItemId


def numbers(parameter: str) -> Select[Any]:
    """Selects the numbers that the parameter has."""
    elements = _elements(parameter)
    return select(_Number(elements.c.value, type_=BigInteger))


def items_named(parameter: str) -> CTE:
    """A table (`slice`, `id`) of the items that the parameter has, as `names_of` makes it."""
    elements = _elements(parameter)
    return _table("named", _text(elements, 0).label("slice"), _bytes(elements, 1).label("id"))


def names_of(named: Iterable[tuple[str, str]]) -> list[Any]:
    """The parameter of `items_named`."""
    return [[slice_, id_.encode().hex()] for slice_, id_ in named]


def positions(parameter: str) -> CTE:
    """A table (`slice`, `version`, `id`) of the positions that the parameter has, as `positions_of` makes it.

    `id` is NULL behind the version's last item.
    """
    elements = _elements(parameter)
    return _table(
        "positions",
        _text(elements, 0).label("slice"),
        _field(elements, 1, BigInteger).label("version"),
        _bytes(elements, 2).label("id"),
    )


def positions_of(reached: Iterable[tuple[str, int, str | None]]) -> list[Any]:
    """The parameter of `positions`."""
    return [
        [slice_, version, None if id_ is None else id_.encode().hex()] for slice_, version, id_ in reached
    ]


def _table(name: str, *columns: Any) -> CTE:
    # Read once; the parameter would be parsed for each row otherwise.
    return select(*columns).cte(name).prefix_with("MATERIALIZED")


def _elements(parameter: str) -> Any:
    return _Elements(bindparam(parameter, type_=_JsonText)).table_valued(column("value"))


class _JsonText(TypeDecorator[Any]):
    """A list as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value, separators=(",", ":"))


def _text(elements: Any, place: int) -> ColumnElement[Any]:
    return _field(elements, place, Text)


def _field(elements: Any, place: int, type_: Any) -> ColumnElement[Any]:
    return _Field(elements.c.value, literal_column(str(place)), type_=type_)


def _bytes(elements: Any, place: int) -> ColumnElement[Any]:
    return _Bytes(_text(elements, place), type_=ItemId)


class _Function(FunctionElement[Any]):
    inherit_cache = True

    def __init__(self, *arguments: Any, type_: Any = None) -> None:
        super().__init__(*arguments)
        if type_ is not None:
            self.type = type_()


class _Elements(_Function):
    """The rows of a JSON array, with one column `value`."""

    name = "nightferry_elements"
    inherit_cache = True


class _Number(_Function):
    """An element that is an integer."""

    name = "nightferry_number"
    inherit_cache = True


class _Field(_Function):
    """An element's own element at a place; NULL for null."""

    name = "nightferry_field"
    inherit_cache = True


class _Bytes(_Function):
    """Bytes from their hexadecimal digits; a JSON text of PostgreSQL can't hold every character of an id."""

    name = "nightferry_bytes"
    inherit_cache = True


@compiles(_Elements, "sqlite")
def _sqlite_elements(element: _Elements, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _postgresql_elements(element: _Elements, compiler: Any, **options: Any) -> str:
    return f"jsonb_array_elements(CAST({compiler.process(element.clauses, **options)} AS JSONB))"


@compiles(_Number, "sqlite")
def _sqlite_number(element: _Number, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(_Number, "postgresql")
def _postgresql_number(element: _Number, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS BIGINT)"


@compiles(_Field, "sqlite")
def _sqlite_field(element: _Field, compiler: Any, **options: Any) -> str:
    value, place = element.clauses
    return f"json_extract({compiler.process(value, **options)}, '$[{compiler.process(place)}]')"


@compiles(_Field, "postgresql")
def _postgresql_field(element: _Field, compiler: Any, **options: Any) -> str:
    value, place = element.clauses
    text = f"({compiler.process(value, **options)} ->> {compiler.process(place)})"
    return f"CAST({text} AS BIGINT)" if isinstance(element.type, BigInteger) else text


@compiles(_Bytes, "sqlite")
def _sqlite_bytes(element: _Bytes, compiler: Any, **options: Any) -> str:
    return f"nightferry_bytes({compiler.process(element.clauses, **options)})"


@compiles(_Bytes, "postgresql")
def _postgresql_bytes(element: _Bytes, compiler: Any, **options: Any) -> str:
    return f"decode({compiler.process(element.clauses, **options)}, 'hex')"


def add_sqlite_functions(connection: Any) -> None:
    """Gives a new connection of SQLite the function that the statements of this module use."""
    connection.create_function(
        "nightferry_bytes",
        1,
        lambda digits: None if digits is None else bytes.fromhex(digits),
        deterministic=True,
    )
