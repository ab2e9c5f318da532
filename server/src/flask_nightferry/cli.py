"""`flask nightferry init-db` and `flask nightferry stats`."""

from __future__ import annotations

import click
from flask import Blueprint, current_app
from sqlalchemy import case, func, select, text

from .errors import ApiError
from .schema import clients, items
from .state import state_of


def add_commands(routes: Blueprint) -> None:
    """Add the commands to the blueprint, whose group is `nightferry`."""
    routes.cli.command("init-db")(init_db)
    routes.cli.command("stats")(stats)


def init_db() -> None:
    """Make the tables that are missing."""
    store = state_of(current_app).store
    try:
        store.create_tables()
        store.make_ready(create_tables=False)
    except ApiError:
        raise click.ClickException("The tables could not be made; the log above says why.") from None
    click.echo("Nightferry's tables are ready.")


def stats() -> None:
    """Count items and tombstones by slice, and clients."""
    state = state_of(current_app)
    deleted = func.sum(case((items.c.deleted, 1), else_=0))
    by_slice = select(
        items.c.tenant, items.c.slice, func.count(), deleted, func.sum(func.length(items.c.value))
    )
    try:
        state.make_ready(current_app)
        with state.store.read() as connection:
            if connection.dialect.name == "postgresql":
                # It goes through everything, and nobody waits for it.
                connection.execute(text("SET statement_timeout = 0"))
            rows = connection.execute(
                by_slice.group_by(items.c.tenant, items.c.slice).order_by(items.c.tenant, items.c.slice)
            ).all()
            known = connection.scalar(select(func.count()).select_from(clients))
    except ApiError:
        raise click.ClickException("The database can't be read; the log above says why.") from None
    for tenant, slice_, count, gone, size in rows:
        where = f"{tenant}/{slice_}" if tenant else slice_
        click.echo(f"{where}: {count - gone} items, {gone} tombstones, {size or 0} characters of JSON")
    click.echo(f"{known} clients")
