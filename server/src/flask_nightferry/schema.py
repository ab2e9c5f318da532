"""The tables. Everything belongs to a tenant, and a tenant has one order of versions.

The SQL of this package keeps to what SQLite and PostgreSQL both understand. Their differences are here
and in `lists.py`.
"""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import postgresql, sqlite

#: The format of the tables; `nightferry_meta` says which one a database has.
FORMAT = 1


class ItemId(TypeDecorator[str]):
    """An item's id, kept as its bytes in UTF-8.

    So that any character is allowed (PostgreSQL's texts have no NUL), and the order is the same in every
    database whatever its collation: by code point, which is also how Python compares strings.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else value.encode()

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else bytes(value).decode()


def _name(length: int = 255) -> Any:
    """A short text that sorts by code point everywhere."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


metadata = MetaData()

meta = Table(
    "nightferry_meta",
    metadata,
    Column("name", _name(), primary_key=True),
    Column("value", Text, nullable=False),
)

#: One row a tenant. A writer locks its tenant's row first, so that versions become visible in their order.
tenants = Table(
    "nightferry_tenants",
    metadata,
    Column("tenant", _name(), primary_key=True),
    Column("last_version", BigInteger, nullable=False),
    # Versions up to this one, and the tombstones made by them, may have been removed. It is raised first, and
    # tombstones go a minute later at the earliest: a pull that has read it may still be reading them.
    Column("forgotten_through", BigInteger, nullable=False),
)

#: Every version that the tenant ever gave, as long as tombstones are kept: how a restored backup is noticed.
versions = Table(
    "nightferry_versions",
    metadata,
    Column("tenant", _name(), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
)

#: The items. A deleted one stays as a tombstone, with `value` NULL and `deleted` true.
items = Table(
    "nightferry_items",
    metadata,
    Column("tenant", _name(), primary_key=True),
    Column("slice", _name(), primary_key=True),
    Column("id", ItemId, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("value", Text),  # JSON; the value null is the text "null"
    Column("deleted", Boolean, nullable=False),
    Column(
        "at", BigInteger, nullable=False
    ),  # epoch ms of the change, as its device says, never in the future
    Column("user", _name(), nullable=False),  # whose change made this version
    Column("client", _name(), nullable=False),  # and on which client; "" for the app's own code
    Column("device", _name()),  # that client's name for people, where it gave one
)

#: The order in which a pull reads.
Index("nightferry_items_order", items.c.tenant, items.c.version, items.c.slice, items.c.id)

#: The latest push of each client.
clients = Table(
    "nightferry_clients",
    metadata,
    Column("tenant", _name(), primary_key=True),
    Column("user", _name(), primary_key=True),
    Column("client", _name(), primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("tag", _name(), nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # epoch ms
)

#: When each device last pulled, and how far: for the people who run the server. Nothing else relies on it.
devices = Table(
    "nightferry_devices",
    metadata,
    Column("tenant", _name(), primary_key=True),
    Column("user", _name(), primary_key=True),
    Column("client", _name(), primary_key=True),
    Column("device", _name()),  # its name for people, where it gave one
    Column("seen_at", BigInteger, nullable=False),  # epoch ms
    Column("pulled", BigInteger, nullable=False),  # the version that it reached; 0 where there was none
)

#: The answers to the latest push of each client, by item.
answers = Table(
    "nightferry_answers",
    metadata,
    Column("tenant", _name(), primary_key=True),
    Column("user", _name(), primary_key=True),
    Column("client", _name(), primary_key=True),
    Column("slice", _name(), primary_key=True),
    Column("id", ItemId, primary_key=True),
    Column("answer", Text, nullable=False),  # JSON, as it was sent
    Column("effect", BigInteger),  # the version that the mutation made; NULL where it had no effect
)


@functools.cache
def upsert(dialect: str, table: Table) -> Any:
    """A statement that inserts a row of the table, or overwrites the one that has its key."""
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement: Any = make(table)
    key = list(table.primary_key.columns)
    others = {c.name: statement.excluded[c.name] for c in table.columns if c not in set(key)}
    return statement.on_conflict_do_update(index_elements=key, set_=others)
