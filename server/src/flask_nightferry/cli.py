"""`flask nightferry …`: the commands for the people who run the server."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import click
from flask import Blueprint, current_app
from sqlalchemy import case, func, select

from . import erasure, listing
from .errors import ApiError
from .schema import clients, items
from .state import State, state_of


def add_commands(routes: Blueprint) -> None:
    """Add the commands to the blueprint, whose group is `nightferry`."""
    for name, command in (
        ("init-db", init_db),
        ("stats", stats),
        ("clients", list_clients),
        ("items", list_items),
        ("export", export),
        ("forget", forget),
        ("gc", collect_garbage),
    ):
        routes.cli.command(name)(command)


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
    deleted = func.sum(case((items.c.deleted, 1), else_=0))
    by_slice = select(
        items.c.tenant, items.c.slice, func.count(), deleted, func.sum(func.length(items.c.value))
    )
    with _database() as state, state.store.read() as connection:
        rows = connection.execute(
            by_slice.group_by(items.c.tenant, items.c.slice).order_by(items.c.tenant, items.c.slice)
        ).all()
        known = connection.scalar(select(func.count()).select_from(clients))
    for tenant, slice_, count, gone, size in rows:
        where = f"{tenant}/{slice_}" if tenant else slice_
        click.echo(f"{where}: {count - gone} items, {gone} tombstones, {size or 0} characters of JSON")
    click.echo(f"{known} clients")


@click.option("--tenant", help="Only devices of this tenant.")
@click.option("--user", help="Only devices of this user.")
def list_clients(tenant: str | None, user: str | None) -> None:
    """List the devices that have pushed or pulled.

    BEHIND counts the tenant's changes since the device's latest pull; a pull is noted once a minute.
    """
    with _database() as state, state.store.read() as connection:
        known = list(listing.known_clients(connection, tenant, user))
    rows = [
        (one.tenant, one.user, one.client, one.device or "", _time(one.seen_at), _behind(one))
        for one in known
    ]
    _table(("TENANT", "USER", "CLIENT", "DEVICE", "LAST SEEN (UTC)", "BEHIND"), rows)


@click.argument("tenant")
@click.argument("slice", metavar="SLICE")
@click.option("--id", "id_", help="Show this item, with its value.")
def list_items(tenant: str, slice: str, id_: str | None) -> None:
    """List the items of a slice, or show one of them."""
    with _database() as state:
        if id_ is not None:
            _show_item(state, tenant, slice, id_)
            return
        click.echo("VERSION           CHANGED (UTC)        CHARACTERS  USER  ID")
        for item in listing.stored_items(state.store, tenant, slice):
            size = len(json.dumps(item["value"])) if "value" in item else "unreadable"
            click.echo(
                f"{item['version']:<16}  {_time(item['at'])}  {size:>10}  {item.get('user', '-')}  "
                f"{json.dumps(item['id'], ensure_ascii=False)}"
            )


@click.argument("tenant")
@click.option("--user", help="Only items whose latest change is this user's.")
@click.option("--output", "-o", help="A new file, readable by you alone. Standard output without it.")
def export(tenant: str, user: str | None, output: str | None) -> None:
    """Write the items of a tenant as JSON, one a line."""
    with _database() as state:
        with state.store.read() as connection:
            if not listing.tenant_exists(connection, tenant):
                raise click.ClickException(f"There is no tenant {tenant!r}. `stats` lists those with items.")
        total = listing.count_items(state.store, tenant, None, user)
        unreadable = 0
        with _output(output) as file, _progress("Exporting", total) as advance:
            for item in listing.stored_items(state.store, tenant, user=user):
                unreadable += "unreadable" in item
                file.write(json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n")
                advance(1)
    if unreadable:
        click.echo(f"{unreadable} items have no value: what is stored is not JSON.", err=True)


@click.option("--tenant", help="Of this tenant: all its items, unless --user or --client is given.")
@click.option("--user", help="Of this user.")
@click.option("--client", help="Of this device, as `clients` names it.")
@click.option("--items", "with_items", is_flag=True, help="Also delete the items that they changed last.")
@click.option("--purge", is_flag=True, help="Leave no trace of a tenant that nobody can sign in to any more.")
@click.option("--yes", is_flag=True, help="Do it. Without this, only say what would be done.")
def forget(
    tenant: str | None, user: str | None, client: str | None, with_items: bool, purge: bool, yes: bool
) -> None:
    """Erase the data of a tenant, a person or a device."""
    scope = erasure.Scope(tenant, user, client)
    only_tenant = tenant is not None and user is None and client is None
    if scope == erasure.Scope():
        raise click.UsageError("Say whose data: --tenant, --user, --client, or several of them.")
    if purge and not only_tenant:
        raise click.UsageError("--purge is for a whole tenant: give --tenant alone.")
    with_items = with_items or only_tenant
    with _database() as state:
        with state.store.read() as connection:
            found = erasure.find(connection, scope)
        if not found.tenants and not purge:
            click.echo("There is nothing of theirs.")
            return
        click.echo("\n".join(_plan(found, with_items, purge, state.config.horizon_ms)))
        if not yes:
            raise click.ClickException("Nothing was changed. Say --yes to do it; it can't be undone.")
        if purge:
            erasure.purge(state, str(tenant))
        else:
            with _progress("Erasing", found.items if with_items else found.names) as advance:
                erasure.erase(state, scope, with_items, advance)
        state.store.empty_log()
    click.echo("Done. Backups and logs still have what they had.")


def collect_garbage() -> None:
    """Remove what is older than NIGHTFERRY_HORIZON_DAYS: versions, tombstones, devices that are not seen."""

    def wait(seconds: float) -> None:
        click.echo(f"Waiting {seconds:.0f} s for pulls that are under way …", err=True)
        time.sleep(seconds)

    with _database() as state:
        collected = erasure.collect(state, time.time_ns() // 1_000_000, wait)
    click.echo(
        f"Removed {collected.versions} versions, {collected.tombstones} tombstones and "
        f"{collected.clients} clients."
    )


def _plan(found: erasure.Found, with_items: bool, purge: bool, horizon_ms: int) -> Iterator[str]:
    where = ", ".join(repr(tenant) for tenant in found.tenants)
    yield f"Tenants: {where or 'none with data'}."
    if purge:
        yield f"{found.items} items go, and with them all versions and tombstones of the tenant."
        yield "A device that can still sign in to this tenant would bring back what it has."
    elif with_items:
        yield (
            f"{found.items} items are deleted, here and on every device that pulls. Their ids stay for "
            f"{horizon_ms // 86_400_000} days, until `gc`."
        )
    else:
        yield f"{found.names} items stay, and no longer name the user or the device. --items deletes them."
    yield f"{found.clients} clients are forgotten, and the answers to the latest pushes of these tenants."
    yield "Out of reach: what a device has not sent yet, and what is on one that never comes back."


def _show_item(state: State, tenant: str, slice_: str, id_: str) -> None:
    with state.store.read() as connection:
        row = connection.execute(
            select(*items.c).where(items.c.tenant == tenant, items.c.slice == slice_, items.c.id == id_)
        ).one_or_none()
    if row is None:
        raise click.ClickException("There is no such item, and no tombstone of one.")
    click.echo(json.dumps(listing.described(row), ensure_ascii=False, indent=2))


@contextmanager
def _database() -> Iterator[State]:
    state = state_of(current_app)
    state.store.prepare_for_upkeep()
    try:
        state.make_ready(current_app)
        yield state
    except ApiError:
        raise click.ClickException("The database can't be used now; the log above says why.") from None


@contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        raise click.ClickException(f"{path}: {fault.strerror}. Nothing was written.") from None
    with open(descriptor, "w", encoding="utf-8") as file:
        yield file


@contextmanager
def _progress(label: str, total: int) -> Iterator[Any]:
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield bar.update


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _behind(one: listing.KnownClient) -> str:
    return "never pulled" if one.behind is None else str(one.behind)
