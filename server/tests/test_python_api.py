"""Items for the app's own code, in transactions of its own and of the app."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Device, MakeApp, authenticate, delete, put, sqlite_only
from flask import Flask
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, create_engine, func, select, update
from sqlalchemy.orm import Session

from flask_nightferry import (
    Change,
    Conflict,
    Item,
    Nightferry,
    Refused,
    StoreUnavailable,
    item_applied,
    python_api,
    schema,
)
from flask_nightferry.rows import find_item
from flask_nightferry.state import state_of

own_tables = MetaData()
orders = Table("app_orders", own_tables, Column("id", Integer, primary_key=True), Column("text", Text))


@pytest.fixture
def nightferry() -> Nightferry:
    return Nightferry(authenticate=authenticate)


@pytest.fixture
def app(make_app: MakeApp, nightferry: Nightferry) -> Iterator[Flask]:
    app = make_app(nightferry)
    with app.app_context():
        yield app


@pytest.fixture
def engine(app: Flask) -> Iterator[Any]:
    """The app's own engine on the same database, as SQLAlchemy makes it."""
    engine = create_engine(state_of(app).config.database_url)
    state_of(app).make_ready(app)
    own_tables.drop_all(engine)
    own_tables.create_all(engine)
    yield engine
    own_tables.drop_all(engine)
    engine.dispose()


def test_what_python_writes_reaches_devices_like_any_other_change(app: Flask, nightferry: Nightferry) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    [pushed] = phone.push(put("a", {"n": 1}))
    cursor = laptop.pull()["cursors"]
    put_at = nightferry.put("acme", "files", "a", {"n": 2}, user="bob")
    made_at = nightferry.put("acme", "files", "b", [None, 1.0])
    page = laptop.pull(cursor)
    assert pushed["version"] < put_at < made_at == page["version"]
    a, b = page["changes"]
    assert (a["id"], a["value"], a["version"], a["by"]) == ("a", {"n": 2}, put_at, {"user": "bob"})
    assert (b["id"], b["value"], b["version"]) == ("b", [None, 1], made_at)
    assert "by" not in b
    assert "own" not in b
    gone_at = nightferry.delete("acme", "files", "a", user="bob")
    [gone] = laptop.pull(page["cursors"])["changes"]
    assert (gone["id"], gone["deleted"], gone["version"]) == ("a", True, gone_at)
    # A device that did not see it is in conflict, as with any other change.
    [conflict] = phone.push(put("b", 1))
    assert (conflict["status"], conflict["value"], conflict["version"]) == ("conflict", [None, 1], made_at)
    # And goes on from there.
    [applied] = phone.push(put("b", 1, base=made_at))
    assert applied["status"] == "applied"
    assert applied["version"] > gone_at


def test_what_changes_nothing_has_no_version_of_its_own(app: Flask, nightferry: Nightferry) -> None:
    first = nightferry.put("acme", "files", "a", {"x": 1, "y": 2})
    assert nightferry.put("acme", "files", "a", {"y": 2.0, "x": 1}) == first
    assert nightferry.delete("acme", "files", "never there") is None
    gone = nightferry.delete("acme", "files", "a")
    assert gone is not None
    assert nightferry.delete("acme", "files", "a") == gone
    assert Device(app).pull()["version"] == gone
    again = nightferry.put("acme", "files", "a", None)
    assert again > gone
    assert nightferry.get("acme", "files", "a") == Item(
        "a", None, again, Device(app).pull()["changes"][0]["at"]
    )


def test_a_base_is_compared_and_set(app: Flask, nightferry: Nightferry) -> None:
    version = nightferry.put("acme", "files", "a", 1, base=None)
    with pytest.raises(Conflict, match="changed or deleted meanwhile"):
        nightferry.put("acme", "files", "a", 2, base=None)
    [pushed] = Device(app).push(put("a", 2, base=version))
    with pytest.raises(Conflict):
        nightferry.put("acme", "files", "a", 3, base=version)
    with pytest.raises(Conflict):
        nightferry.delete("acme", "files", "a", base=version)
    assert Device(app).everything() == {("files", "a"): 2}
    nightferry.delete("acme", "files", "a", base=pushed["version"])
    assert Device(app).everything() == {}


def test_items_are_read_page_by_page(
    app: Flask, nightferry: Nightferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_api, "PAGE", 2)
    device = Device(app)
    ids = ["\0", "A", "a", "a/b", "é", "日", "😀"]
    results = device.push(*(put(id_, {"id": id_}) for id_ in reversed(ids)), put("other", 1, slice="models"))
    device.push(delete("a/b", results[0]["version"]), put("b", 1, slice="files2"))
    Device(app, tenant="evil").push(put("evil", 1))
    found = list(nightferry.items("acme", "files"))
    assert [item.id for item in found] == [id_ for id_ in ids if id_ != "a/b"]
    assert all(item == Item(item.id, {"id": item.id}, results[0]["version"], 1000) for item in found)
    assert list(nightferry.items("acme", "nothing")) == []
    # A page of tombstones or of unreadable rows is not the end.
    with state_of(app).store.write() as connection:
        connection.execute(
            update(schema.items).where(schema.items.c.id.in_(["\0", "A", "a", "é"])).values(value="{not json")
        )
    assert [item.id for item in nightferry.items("acme", "files")] == ["日", "😀"]
    assert nightferry.get("acme", "files", "A") is None
    assert nightferry.get("acme", "files", "never") is None


BAD: list[tuple[tuple[Any, ...], type[Exception]]] = [
    (("acme", "1files", "a", 1), ValueError),
    (("acme", "files", "", 1), ValueError),
    (("acme", "files", "x" * 1001, 1), ValueError),
    (("acme", "files", "\ud800", 1), ValueError),
    (("acme", "files", 7, 1), TypeError),
    (("acme", None, "a", 1), TypeError),
    (("a\0", "files", "a", 1), TypeError),
    (("acme", "files", "a", float("nan")), ValueError),
    (("acme", "files", "a", {"x": 2**53}), ValueError),
    (("acme", "files", "a", {"x": {1, 2}}), ValueError),
    (("acme", "files", "a", {1: 2}), ValueError),
    (("acme", "files", "a", "x" * 4 * 1024 * 1024), ValueError),
]


@pytest.mark.parametrize(("arguments", "error"), BAD)
def test_what_nightferry_does_not_keep_is_refused(
    app: Flask, nightferry: Nightferry, arguments: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        nightferry.put(*arguments)
    with pytest.raises(ValueError, match="user"):
        nightferry.put("acme", "files", "a", 1, user="")
    assert Device(app).pull()["version"] is None


@pytest.mark.parametrize("kind", ["connection", "session"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_in_the_apps_transaction_all_of_it_applies_or_nothing(
    app: Flask, nightferry: Nightferry, engine: Any, kind: str, ends: str
) -> None:
    device = Device(app)
    old = nightferry.put("acme", "files", "old", 1)
    open_: Any = engine.connect() if kind == "connection" else Session(engine)
    with open_ as transaction:
        transaction.execute(orders.insert(), {"id": 1, "text": "x"})
        first = nightferry.put("acme", "files", "a", 1, connection=transaction)
        second = nightferry.put("acme", "files", "a", 2, connection=transaction)
        third = nightferry.delete("acme", "files", "old", connection=transaction)
        other = nightferry.put("other", "files", "a", 2, connection=transaction)
        # One transaction has one version in each tenant, and sees what it wrote.
        assert first == second == third
        assert other >= 1
        assert nightferry.get("acme", "files", "a", connection=transaction) is not None
        assert [i.value for i in nightferry.items("acme", "files", connection=transaction)] == [2]
        assert nightferry.get("acme", "files", "a") is None  # not yet, for others
        assert device.everything() == {("files", "old"): 1}
        getattr(transaction, ends)()
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(orders))
    if ends == "rollback":
        assert (device.everything(), device.pull()["version"], count) == ({("files", "old"): 1}, old, 0)
        return
    assert (device.everything(), device.pull()["version"], count) == ({("files", "a"): 2}, first, 1)
    # The version is known: what is based on it is no other history.
    [applied] = device.push(put("a", 3, base=first))
    assert applied["status"] == "applied"


def test_after_a_savepoint_that_was_rolled_back_a_version_is_given_anew(
    app: Flask, nightferry: Nightferry, engine: Any
) -> None:
    with engine.begin() as transaction:
        savepoint = transaction.begin_nested()
        nightferry.put("acme", "files", "a", 1, connection=transaction)
        savepoint.rollback()
        version = nightferry.put("acme", "files", "b", 1, connection=transaction)
    device = Device(app)
    cursor = device.pull()["cursors"]
    assert device.everything() == {("files", "b"): 1}
    [applied] = device.push(put("b", 2, base=version))
    assert applied["status"] == "applied"
    assert device.pull(cursor)["total"] == 1


@sqlite_only
def test_no_writer_comes_between_the_newest_version_and_the_next(
    app: Flask, nightferry: Nightferry, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself, SQLite locks at the first write of the app's transaction: after the newest version was read.
    monkeypatch.setattr("flask_nightferry.store.BUSY_TIMEOUT_MS", 50)
    nightferry.put("acme", "files", "a", 0)
    state_of(app).store.engine.dispose()
    outcomes = []

    def meanwhile(connection: Connection, *arguments: Any) -> Any:
        monkeypatch.setattr(python_api, "find_item", find_item)
        with pytest.raises(StoreUnavailable):
            nightferry.put("acme", "files", "other", 1)
        outcomes.append("waited")
        return find_item(connection, *arguments)

    monkeypatch.setattr(python_api, "find_item", meanwhile)
    with engine.begin() as transaction:
        nightferry.put("acme", "files", "a", 1, connection=transaction)
    assert outcomes == ["waited"]


def test_a_hook_reads_the_apps_tables(
    make_app: MakeApp, nightferry: Nightferry, engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[Change] = []

    @nightferry.validate("files")
    def check(change: Change) -> None:
        kept.append(change)
        if change.id == "writes":
            change.connection.execute(orders.insert(), {"text": change.id})
        allowed = change.connection.scalar(select(func.count()).select_from(orders))
        if len(kept) > (allowed or 0):
            raise Refused("Two are enough.")

    with engine.begin() as connection:
        connection.execute(orders.insert(), [{"text": "x"}, {"text": "y"}])
    app = make_app(nightferry)
    results = Device(app).push(put("a", 1), put("b", 1), put("c", 1))
    assert [result["status"] for result in results] == ["applied", "applied", "rejected"]
    for change in kept[:2]:
        with pytest.raises(RuntimeError, match="Only a hook"):
            _ = change.connection

    # It may not write: what it wrote would stay where the push fails.
    device = Device(app, client="laptop")
    assert device.post("push", device.push_body(put("writes", 1))).status_code >= 500
    assert "read" in caplog.text
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(orders)) == 2
        connection.execute(orders.insert(), [{"text": "z"} for _ in range(9)])
    # And the connection that it had is as good as before.
    assert Device(app, client="tablet").push(put("d", 1))[0]["status"] == "applied"


def test_a_hook_that_writes_items_is_told_where_to_do_that(
    make_app: MakeApp, nightferry: Nightferry, caplog: pytest.LogCaptureFixture
) -> None:
    @nightferry.validate("files")
    def check(change: Change) -> None:
        nightferry.put("acme", "counts", "files", 1)

    device = Device(make_app(nightferry))
    assert device.post("push", device.push_body(put("a", 1))).status_code == 500
    assert "Write them in a receiver of item_applied" in caplog.text
    assert device.everything("files", "counts") == {}


def test_a_receiver_of_the_signal_writes_items(app: Flask, nightferry: Nightferry) -> None:
    def receive(_app: Flask, change: Change) -> None:
        nightferry.put(change.principal.tenant, "counts", "files", change.value)

    with item_applied.connected_to(receive, sender=app):
        Device(app).push(put("a", 7))
    assert Device(app).everything("counts") == {("counts", "files"): 7}


def test_without_an_app_context_flask_says_so(nightferry: Nightferry) -> None:
    with pytest.raises(RuntimeError, match="application context"):
        nightferry.put("acme", "files", "a", 1)


@sqlite_only
def test_a_database_that_is_locked_is_told(
    app: Flask, nightferry: Nightferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_nightferry.store.BUSY_TIMEOUT_MS", 50)
    nightferry.put("acme", "files", "a", 1)
    state_of(app).store.engine.dispose()
    other = sqlite3.connect(str(state_of(app).config.database_url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable):
        nightferry.put("acme", "files", "a", 2)
    other.close()
    assert nightferry.get("acme", "files", "a").value == 1  # type: ignore[union-attr]


def test_a_slice_that_the_server_does_not_take_is_refused_in_python(make_app: MakeApp) -> None:
    nightferry = Nightferry(authenticate=authenticate)
    with make_app(nightferry, NIGHTFERRY_SLICES=["notes"]).app_context():
        nightferry.put("acme", "notes", "a", 1)
        with pytest.raises(ValueError, match="NIGHTFERRY_SLICES"):
            nightferry.put("acme", "note", "a", 1)
        assert nightferry.get("acme", "note", "a") is None
        # What was stored before the slice was taken off the list can be deleted.
        assert nightferry.delete("acme", "note", "a") is None
