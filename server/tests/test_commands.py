"""The commands for the people who run the server, and what devices notice of them."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Database, Device, MakeApp, delete, error_of, put, until
from flask import Flask
from sqlalchemy import select, text

from flask_nightferry import erasure, listing, push, schema
from flask_nightferry.state import state_of

SECRET = "what Bob typed"
DAY = 24 * 60 * 60 * 1000


def run(app: Flask, *arguments: str, code: int = 0) -> str:
    result = app.test_cli_runner().invoke(args=["nightferry", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def printed(app: Flask, *arguments: str) -> list[str]:
    """The lines on standard output alone."""
    return app.test_cli_runner().invoke(args=["nightferry", *arguments]).stdout.splitlines()


def rows(app: Flask, table: str) -> list[Any]:
    with state_of(app).store.read() as connection:
        return list(connection.execute(select(schema.metadata.tables[f"nightferry_{table}"])).mappings())


def everything_stored(app: Flask) -> str:
    return repr([rows(app, name.removeprefix("nightferry_")) for name in schema.metadata.tables])


def seen(app: Flask, count: int) -> None:
    """Waits until so many devices are noted, which another thread does."""
    until(lambda: len(rows(app, "devices")) == count)


# clients


def test_clients_are_listed_with_how_far_they_are_behind(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, user="bob", client="laptop")
    phone.push(put("a", 1))
    laptop.pull(device="Bob's laptop")
    seen(app, 1)
    phone.push(put("b", 1))
    phone.push(put("c", 1))
    Device(app, tenant="other").push(put("a", 1))
    lines = run(app, "clients").splitlines()
    now = time.strftime("%Y-%m-%d", time.gmtime())
    columns = [line.split("  ") for line in lines]
    assert [[cell.strip() for cell in line if cell.strip()][:3] for line in columns] == [
        ["TENANT", "USER", "CLIENT"],
        ["acme", "ann", "phone"],
        ["acme", "bob", "laptop"],
        ["other", "ann", "phone"],
    ]
    assert lines[1].endswith("never pulled")
    assert "Bob's laptop" in lines[2]
    assert lines[2].endswith("  2")
    assert all(now in line for line in lines[1:])
    assert len(run(app, "clients", "--tenant", "acme", "--user", "bob").splitlines()) == 2


def test_a_pull_is_noted_when_it_has_come_to_its_end(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    phone.push(*(put(str(i), i) for i in range(5)))
    first = laptop.pull(limit=2)
    assert first["more"]
    laptop.pull({})
    end = laptop.pull(first["cursors"])
    seen(app, 1)
    [row] = rows(app, "devices")
    assert (row["client"], row["pulled"]) == ("laptop", end["version"])


def test_a_device_is_noted_once_a_minute(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    sightings = state_of(app).sightings
    monkeypatch.setattr(sightings._worker, "put", lambda one: written.append(one.pulled))
    device = Device(app)
    for i in range(3):
        device.push(put(str(i), i))
        device.pull()
    assert len(written) == 1
    monkeypatch.setattr("flask_nightferry.sightings.EVERY_SECONDS", 0)
    device.pull()
    assert len(written) == 2


def test_a_read_replica_notes_nothing(app: Flask, make_app: MakeApp) -> None:
    Device(app).push(put("a", 1))
    replica = make_app(NIGHTFERRY_READ_REPLICA=True)
    assert Device(replica).everything() == {("files", "a"): 1}
    state_of(replica).sightings.close()
    assert rows(app, "devices") == []


def test_a_pull_is_answered_where_it_can_not_be_noted(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    device = Device(app)
    device.push(put("a", 1))
    with state_of(app).store.write() as connection:
        connection.execute(text("DROP TABLE nightferry_devices"))
    assert device.everything() == {("files", "a"): 1}
    until(lambda: bool(caplog.records))
    assert device.everything() == {("files", "a"): 1}


# items, export


def test_items_are_listed_without_values_and_shown_with_them(app: Flask) -> None:
    device = Device(app, user="bob")
    device.push(put("a\nb", SECRET), put("ä", {}), put("c", 1, slice="models"))
    listed = run(app, "items", "acme", "files")
    assert SECRET not in listed
    assert [line.split("  ")[-1] for line in listed.splitlines()] == ["ID", '"a\\nb"', '"ä"']
    shown = json.loads(run(app, "items", "acme", "files", "--id", "a\nb"))
    assert (shown["value"], shown["user"], shown["id"]) == (SECRET, "bob", "a\nb")
    assert "no such item" in run(app, "items", "acme", "files", "--id", "none", code=1)


def test_an_export_has_every_item_once(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 3)
    phone, laptop = Device(app), Device(app, user="bob", client="laptop")
    values = {f"{i}": {"n": i, "text": "ä\n"} for i in range(10)}
    phone.push(*(put(id_, value) for id_, value in values.items()))
    [gone] = phone.push(put("gone", 1))
    phone.push(delete("gone", gone["version"]))
    laptop.push(put("by bob", 1, slice="models"), device="Bob's laptop")
    Device(app, tenant="other").push(put("not this", 1))
    path = tmp_path / "acme.jsonl"
    run(app, "export", "acme", "-o", str(path))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {line["id"]: line["value"] for line in lines} == values | {"by bob": 1}
    assert len(lines) == 11
    assert lines[-1]["device"] == "Bob's laptop"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Nothing was written" in run(app, "export", "acme", "-o", str(path), code=1)

    of_bob = [json.loads(line) for line in printed(app, "export", "acme", "--user", "bob")]
    assert [line["id"] for line in of_bob] == ["by bob"]
    assert "no tenant 'acne'" in run(app, "export", "acne", code=1)


def test_an_item_that_can_not_be_read_is_exported_without_a_value(app: Flask) -> None:
    Device(app).push(put("a", 1))
    with state_of(app).store.write() as connection:
        connection.execute(schema.items.update().values(value="{not json"))
    [line] = printed(app, "export", "acme")
    assert json.loads(line)["unreadable"] is True
    assert "1 items have no value" in run(app, "export", "acme")


# forget


def team(app: Flask) -> tuple[Device, Device]:
    """Ann with a phone and Bob with a laptop, who share a tenant, and one item of each."""
    phone, laptop = Device(app), Device(app, user="bob", client="laptop")
    laptop.push(put("bob's", SECRET), device="Bob's laptop")
    phone.push(put("ann's", 1))
    return phone, laptop


def test_forget_says_what_it_would_do_and_does_nothing(app: Flask) -> None:
    team(app)
    before = everything_stored(app)
    plan = run(app, "forget", "--tenant", "acme", code=1)
    assert "2 items are deleted" in plan
    assert "2 clients are forgotten" in plan
    assert "--yes" in plan
    assert "1 items stay" in run(app, "forget", "--user", "bob", code=1)
    assert everything_stored(app) == before
    assert "--tenant" in run(app, "forget", "--yes", code=2)
    assert "--purge" in run(app, "forget", "--user", "bob", "--purge", "--yes", code=2)
    assert "nothing of theirs" in run(app, "forget", "--user", "eve", "--yes")


def test_what_is_forgotten_of_a_tenant_is_deleted_on_its_devices(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "ITEMS_AT_ONCE", 2)
    phone, laptop = team(app)
    phone.push(*(put(f"{i}", SECRET) for i in range(5)))
    other = Device(app, tenant="other")
    other.push(put("a", 1))
    cursors = laptop.pull()["cursors"]
    run(app, "forget", "--tenant", "acme", "--yes")
    assert SECRET not in everything_stored(app)
    changes = laptop.pull(cursors)["changes"]
    assert {change["id"] for change in changes} == {"bob's", "ann's", "0", "1", "2", "3", "4"}
    assert all(change["deleted"] and "by" not in change and "own" not in change for change in changes)
    assert rows(app, "clients") == [row for row in rows(app, "clients") if row["tenant"] == "other"]
    assert rows(app, "answers") == [row for row in rows(app, "answers") if row["tenant"] == "other"]
    assert other.everything() == {("files", "a"): 1}
    # A device goes on as ever, and is a new client to the server.
    assert phone.push(put("new", 1))[0]["status"] == "applied"


def test_a_push_whose_answer_was_lost_does_not_bring_back_what_is_forgotten(app: Flask) -> None:
    phone, _ = team(app)
    lost = phone.push_body(put("late", SECRET))
    phone.post("push", lost)
    run(app, "forget", "--tenant", "acme", "--yes")
    [again] = phone.post("push", lost).get_json()["results"]
    assert (again["status"], again["deleted"]) == ("conflict", True)
    assert phone.everything() == {}


def test_of_a_user_the_names_go_and_the_items_stay_unless_they_are_asked_for(app: Flask) -> None:
    phone, laptop = team(app)
    # An answer to Ann has Bob's value.
    [conflict] = phone.push(put("bob's", 2))
    assert conflict["value"] == SECRET
    cursors = phone.pull()["cursors"]
    run(app, "forget", "--tenant", "acme", "--user", "bob", "--yes")
    assert "bob" not in everything_stored(app).replace("bob's", "")
    assert "Bob's laptop" not in everything_stored(app)
    assert phone.pull(cursors)["changes"] == []
    assert laptop.everything() == {("files", "bob's"): SECRET, ("files", "ann's"): 1}

    [mine] = [row for row in rows(app, "items") if row["id"] == "bob's"]
    laptop.push(put("bob's", SECRET + "!", base=mine["version"]))
    run(app, "forget", "--user", "bob", "--items", "--yes")
    assert SECRET not in everything_stored(app)
    assert phone.everything() == {("files", "ann's"): 1}
    assert [change["id"] for change in phone.pull(cursors)["changes"]] == ["bob's"]


def test_a_device_that_is_forgotten_is_a_new_one_when_it_comes_back(app: Flask) -> None:
    phone, laptop = team(app)
    laptop.pull(device="Bob's laptop")
    seen(app, 1)
    cursors = laptop.pull()["cursors"]
    run(app, "forget", "--client", "laptop", "--yes")
    assert "laptop" not in everything_stored(app)
    assert laptop.push(put("more", 1))[0]["status"] == "applied"
    assert [change["id"] for change in laptop.pull(cursors)["changes"]] == ["more"]
    assert phone.everything()[("files", "bob's")] == SECRET


def test_of_somebody_who_has_only_read_nothing_is_left(app: Flask) -> None:
    reader = Device(app, tenant="reader", user="reader")
    reader.pull()
    seen(app, 1)
    run(app, "forget", "--tenant", "reader", "--yes")
    assert "reader" not in everything_stored(app)


def test_a_purged_tenant_leaves_nothing_and_a_device_of_it_is_told_that_the_history_changed(
    app: Flask,
) -> None:
    phone, laptop = team(app)
    cursors = laptop.pull()["cursors"]
    seen(app, 1)
    assert "bring back" in run(app, "forget", "--tenant", "acme", "--purge", "--yes")
    assert "acme" not in everything_stored(app)
    assert error_of(laptop.post("pull", laptop.pull_body(cursors))) == (410, "history_changed")
    assert phone.everything() == {}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_nothing_of_what_is_forgotten_stays_in_the_file(
    make_app: MakeApp, database: Database, tmp_path: Path
) -> None:
    first = make_app()
    device = Device(first)
    device.push(*(put(f"{i}", f"{SECRET} {i} " * 100) for i in range(50)), put("short", SECRET))
    state_of(first).store.engine.dispose()
    files = list((tmp_path / "instance").glob("nightferry.sqlite3*"))
    assert any(SECRET.encode() in path.read_bytes() for path in files)
    run(make_app(), "forget", "--tenant", "acme", "--yes")
    assert not [path for path in files if path.exists() and SECRET.encode() in path.read_bytes()]


# gc


def later(app: Flask, days: int) -> None:
    """All that was stored is as it would be so many days later."""
    with state_of(app).store.write() as connection:
        shift = days * DAY * 1024
        for table, columns in (
            (schema.versions, ["version"]),
            (schema.items, ["version"]),
            (schema.tenants, ["last_version"]),
        ):
            connection.execute(table.update().values({name: table.c[name] - shift for name in columns}))
        for table in (schema.clients, schema.devices):
            connection.execute(table.update().values(seen_at=table.c.seen_at - days * DAY))


def test_gc_removes_what_is_behind_the_horizon_and_nothing_else(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "ITEMS_AT_ONCE", 2)
    monkeypatch.setattr(erasure, "GRACE_SECONDS", 0.01)
    monkeypatch.setattr(push, "FORGET_SHARE", 0)
    phone, laptop = Device(app), Device(app, client="laptop")
    made = phone.push(*(put(f"{i}", i) for i in range(6)), put("stays", 1))
    phone.push(*(delete(f"{i}", made[i]["version"]) for i in range(5)))
    phone.push(put("last", 1))
    later(app, 91)
    [behind] = [row for row in rows(app, "items") if row["id"] == "stays"]
    Device(app, client="young").push(put("young", 1))
    cursors = laptop.pull()["cursors"]
    [young] = [row for row in rows(app, "items") if row["id"] == "young"]
    Device(app, client="younger").push(delete("young", young["version"]))
    collected = run(app, "gc")
    assert "for pulls that are under way" in collected
    assert "Removed 2 versions, 5 tombstones and 1 clients." in collected
    assert {row["id"] for row in rows(app, "items")} == {"5", "stays", "last", "young"}
    assert {row["client"] for row in rows(app, "clients")} == {"young", "younger"}
    assert {row["client"] for row in rows(app, "answers")} == {"young", "younger"}
    # A device that was there lately hears of the young deletion.
    assert [change["id"] for change in laptop.pull(cursors)["changes"]] == ["young"]
    assert run(app, "gc") == "Removed 0 versions, 0 tombstones and 0 clients.\n"
    # A device from before pulls everything anew, and goes on.
    assert laptop.everything() == {("files", "5"): 5, ("files", "stays"): 1, ("files", "last"): 1}
    [edited] = phone.push(put("stays", 2, base=behind["version"]))
    assert edited["status"] == "applied"
    [created] = phone.push(put("0", "again"))
    assert created["status"] == "applied"


def test_gc_leaves_a_young_database_alone(app: Flask) -> None:
    device = Device(app)
    [made] = device.push(put("a", 1))
    device.push(delete("a", made["version"]))
    before = everything_stored(app)
    assert "Removed 0 versions, 0 tombstones and 0 clients." in run(app, "gc")
    assert everything_stored(app) == before


def test_a_command_without_a_database_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make_app: MakeApp, database: Database
) -> None:
    app = make_app(NIGHTFERRY_CREATE_TABLES=False)
    for arguments in (["stats"], ["clients"], ["items", "a", "b"], ["export", "a"], ["gc"]):
        assert "can't be used now" in run(app, *arguments, code=1)
    assert "init-db" in caplog.text
