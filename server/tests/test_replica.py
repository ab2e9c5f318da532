"""A process over a read replica that may be behind: it answers pulls, and never tells a device to rebuild."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from conftest import Database, Device, MakeApp, delete, error_of, postgresql_only, put, until
from flask import Flask
from postgresql import plain, standby
from sqlalchemy import delete as sql_delete
from sqlalchemy import make_url, update
from sqlalchemy.engine import URL

from flask_nightferry import schema
from flask_nightferry.cursors import Cursor
from flask_nightferry.state import state_of


@pytest.fixture
def primary(app: Flask) -> Flask:
    state_of(app).store.create_tables()
    return app


@pytest.fixture
def replica(primary: Flask, make_app: MakeApp) -> Flask:
    """An app over the same database, which the test sets back: so it is behind what devices have seen."""
    return make_app(NIGHTFERRY_READ_REPLICA=True)


def set_back(app: Flask, version: int) -> None:
    """Takes everything after this version out of the database."""
    with state_of(app).store.write() as connection:
        connection.execute(sql_delete(schema.items).where(schema.items.c.version > version))
        connection.execute(sql_delete(schema.versions).where(schema.versions.c.version > version))
        connection.execute(update(schema.tenants).values(last_version=version))


def test_a_replica_that_is_behind_a_device_has_nothing_new_for_it(primary: Flask, replica: Flask) -> None:
    phone, reader = Device(primary), Device(replica, client="laptop")
    old = phone.push(put("a", 1), put("m", 1, slice="models"))[0]["version"]
    behind = reader.pull({"models": None})["cursors"]["models"]
    phone.push(put("b", 1))
    other = Device(primary, client="laptop")
    cursors = other.pull({"files": None})["cursors"] | {"models": behind}
    set_back(primary, old)
    assert error_of(other.post("pull", other.pull_body(cursors))) == (410, "history_changed")
    page = reader.pull(cursors)
    assert page["cursors"] == cursors
    assert (page["changes"], page["more"], page["total"]) == ([], False, 0)
    # The version tells the device that this is not all.
    assert page["version"] == old


def test_a_pull_that_began_over_newer_data_is_not_ended_by_a_replica(primary: Flask, replica: Flask) -> None:
    phone, reader = Device(primary), Device(replica, client="laptop")
    old = phone.push(put("a", 1), put("b", 1), put("c", 1))[0]["version"]
    phone.push(put("d", 1))
    cursors = Device(primary, client="laptop").pull({"files": None}, limit=2)["cursors"]
    assert [change["id"] for change in reader.pull(cursors)["changes"]] == ["c", "d"]
    set_back(primary, old)
    assert error_of(reader.post("pull", reader.pull_body(cursors))) == (503, "unavailable")


@pytest.mark.parametrize("kind", ["expired", "unknown", "unreadable"])
def test_a_replica_answers_503_where_the_database_itself_would_answer_410(
    primary: Flask, replica: Flask, kind: str
) -> None:
    phone, reader, other = Device(primary), Device(replica), Device(primary, client="laptop")
    old = phone.push(put("a", 1))[0]["version"]
    new = phone.push(put("b", 1))[0]["version"]
    cursor = {
        "expired": Cursor(old, None).text(),
        "unknown": Cursor(new - 1, None).text(),
        "unreadable": "?",
    }[kind]
    with state_of(primary).store.write() as connection:
        connection.execute(update(schema.tenants).values(forgotten_through=old))
    assert other.post("pull", other.pull_body({"files": cursor})).status_code == 410
    refused = reader.post("pull", reader.pull_body({"files": cursor}))
    assert error_of(refused) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0


def test_a_replica_takes_no_push(primary: Flask, replica: Flask) -> None:
    device = Device(replica)
    assert error_of(device.post("push", device.push_body(put("a", 1)))) == (503, "unavailable")
    assert Device(primary).everything() == {}


def test_a_replica_makes_no_tables(make_app: MakeApp) -> None:
    device = Device(make_app(NIGHTFERRY_READ_REPLICA=True, NIGHTFERRY_CREATE_TABLES=True))
    assert error_of(device.post("pull", device.pull_body({}))) == (503, "unavailable")


@pytest.fixture(scope="module")
def standby_server(postgresql_server: URL) -> Iterator[URL]:
    with standby(postgresql_server) as url:
        yield url


@postgresql_only
def test_a_device_moves_between_a_database_and_its_standby(
    primary: Flask, database: Database, standby_server: URL, make_app: MakeApp
) -> None:
    options: Any = make_url(database.options["NIGHTFERRY_DATABASE_URL"]).query["options"]
    url = standby_server.update_query_dict({"options": options}).render_as_string(hide_password=False)
    phone = Device(primary)
    made = phone.push(put("a", 1), put("b", 1))[0]["version"]
    tenants = f"{options.partition('search_path=')[2]}.nightferry_tenants"

    with psycopg.connect(plain(standby_server), autocommit=True) as standing_by:

        def ask(query: str) -> Any:
            row = standing_by.execute(query).fetchone()
            return None if row is None else row[0]

        def has_come_to(version: int) -> bool:
            exists = ask(f"SELECT to_regclass('{tenants}') IS NOT NULL")
            return exists and ask(f"SELECT last_version FROM {tenants}") == version

        until(lambda: has_come_to(made))
        reader = Device(make_app(NIGHTFERRY_READ_REPLICA=True, NIGHTFERRY_DATABASE_URL=url), client="laptop")
        cursors = reader.pull()["cursors"]
        ask("SELECT pg_wal_replay_pause()")
        try:
            until(lambda: ask("SELECT pg_get_wal_replay_pause_state()") == "paused")
            newer = phone.push(put("c", 1), delete("a", made))[0]["version"]
            ahead = Device(primary, client="laptop").pull(cursors)["cursors"]
            page = reader.pull(ahead)
            assert (page["cursors"], page["changes"], page["version"]) == (ahead, [], made)
            assert reader.pull(cursors)["changes"] == []
        finally:
            ask("SELECT pg_wal_replay_resume()")
        until(lambda: has_come_to(newer))
        assert [change["id"] for change in reader.pull(cursors)["changes"]] == ["a", "c"]
        assert reader.pull(ahead)["changes"] == []
        assert reader.http.get("/nightferry/health").status_code == 200
        assert error_of(reader.post("push", reader.push_body(put("d", 1)))) == (503, "unavailable")
