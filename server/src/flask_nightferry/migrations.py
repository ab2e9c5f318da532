"""Keeps Alembic's `autogenerate` away from Nightferry's tables, which `flask nightferry init-db` makes."""

from __future__ import annotations

from typing import Any

from .schema import metadata


def include_object(object_: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """Returns false for Nightferry's tables and what belongs to them, and true for all else.

    It has the form of `include_object` in Alembic's `context.configure`. Flask-Migrate passes it on:
    `Migrate(app, db, include_object=include_object)`. Without it, `flask db migrate` would take the tables
    for old ones of the app, and write a `drop_table` for each.
    """
    table = object_ if type_ == "table" else getattr(object_, "table", None)
    return getattr(table, "name", name) not in metadata.tables
