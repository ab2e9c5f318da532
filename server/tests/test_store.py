"""Concurrency, durability, and how tables come to be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Database, Device, MakeApp, authenticate, error_of, put, sqlite_only
from flask import Flask
from sqlalchemy import event, text

from flask_nightferry import Nightferry, push
from flask_nightferry.state import state_of
from flask_nightferry.store import Store


def test_two_threads_that_push_at_once_lose_and_repeat_nothing(app: Flask) -> None:
    state_of(app).store.create_tables()
    barrier = threading.Barrier(4)

    def work(name: str) -> list[int]:
        device = Device(app, client=name)
        barrier.wait()
        return [device.push(put(f"{name}-{i}", i), put("shared", name))[0]["version"] for i in range(25)]

    with ThreadPoolExecutor(4) as threads:
        versions = [version for made in threads.map(work, "abcd") for version in made]
    assert len(set(versions)) == 100
    found = Device(app, client="reader").everything()
    assert len(found) == 101
    assert found[("files", "shared")] in "abcd"


def test_of_two_threads_with_one_base_one_wins(app: Flask) -> None:
    [created] = Device(app).push(put("a", 0))
    barrier = threading.Barrier(7)

    def work(index: int) -> Any:
        device = Device(app, client=f"client-{index}")
        barrier.wait()
        return device.push(put("a", index + 1, base=created["version"]))[0]

    with ThreadPoolExecutor(7) as threads:
        results = list(threads.map(work, range(7)))
    [winner] = [r for r in results if r["status"] == "applied"]
    lost = [r for r in results if r["status"] == "conflict"]
    assert len(lost) == 6
    assert {r["version"] for r in lost} == {winner["version"]}
    assert {r["value"] for r in lost} == set(Device(app).everything().values())


def test_the_same_push_in_two_threads_applies_once(app: Flask) -> None:
    state_of(app).store.create_tables()
    body = Device(app).push_body(*(put(str(i), i) for i in range(50)))
    barrier = threading.Barrier(4)

    def work(_index: int) -> Any:
        device = Device(app)
        barrier.wait()
        return device.post("push", body).get_json()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(work, range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert Device(app).pull()["total"] == 50


def test_a_pull_during_pushes_skips_nothing(app: Flask) -> None:
    state_of(app).store.create_tables()
    done = threading.Event()

    def write(name: str) -> None:
        device = Device(app, client=name)
        for i in range(40):
            device.push(put(f"{name}-{i}", i))

    def read() -> set[str]:
        device, seen = Device(app, client="reader"), set()
        cursors: dict[str, str | None] = {"files": None}
        while True:
            last = done.is_set()
            page = device.pull(cursors, limit=7)
            cursors = page["cursors"]
            seen |= {change["id"] for change in page["changes"]}
            if last and not page["more"]:
                return seen

    with ThreadPoolExecutor(3) as threads:
        reader = threads.submit(read)
        list(threads.map(write, ["a", "b"]))
        done.set()
        assert len(reader.result()) == 80


def test_effects_and_answers_are_one_transaction(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    body = device.push_body(put("a", 1))

    def fail(*_args: Any) -> None:
        raise RuntimeError("between effect and answer")

    with monkeypatch.context() as patched:
        patched.setattr(push.LatestPush, "keep", fail)
        assert error_of(device.post("push", body)) == (500, "internal")
    assert device.everything() == {}
    results = device.post("push", body).get_json()["results"]
    assert results[0]["status"] == "applied"


@sqlite_only
def test_sqlite_is_prepared(app: Flask) -> None:
    store = state_of(app).store
    store.create_tables()
    with store.read() as connection:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("busy_timeout", 5000),
            ("foreign_keys", 1),
            ("synchronous", 2),
        ):
            assert connection.scalar(text(f"PRAGMA {pragma}")) == value


@sqlite_only
def test_a_pull_reads_by_its_index(app: Flask) -> None:
    device = Device(app)
    device.push(*(put(str(i), i) for i in range(50)))
    statements: list[tuple[str, Any]] = []

    @event.listens_for(state_of(app).store.engine, "before_cursor_execute")
    def note(_c: Any, _cu: Any, statement: str, parameters: Any, _x: Any, _m: bool) -> None:
        statements.append((statement, parameters))

    page = device.pull({"files": None, "models": None}, limit=2)
    device.pull(page["cursors"])
    event.remove(state_of(app).store.engine, "before_cursor_execute", note)
    pages = [(s, p) for s, p in statements if "ORDER BY" in s]
    assert len(pages) == 2
    with state_of(app).store.read() as connection:
        for statement, parameters in pages:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert "nightferry_items_order" in plan[0].detail
            assert not [row for row in plan if "TEMP B-TREE" in row.detail]


@pytest.fixture
def production(tmp_path: Path, database: Database) -> Iterator[MakeApp]:
    """Makes an app as it is deployed: no option but where its items are."""
    apps = []

    def make(**options: Any) -> Flask:
        app = Flask("tests", instance_path=str(tmp_path / "instance"))
        app.config.update(database.options | options)
        Nightferry(app, authenticate=authenticate)
        apps.append(app)
        return app

    yield make
    for app in apps:
        state_of(app).close()


def test_without_tables_it_says_503_and_the_log_says_what_to_do(
    production: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = production()
    device = Device(app)
    assert error_of(device.post("pull", device.pull_body({}))) == (503, "unavailable")
    assert error_of(app.test_client().get("/nightferry/health")) == (503, "unavailable")
    assert "flask nightferry init-db" in caplog.text
    assert not (tmp_path / "instance").exists()

    result = app.test_cli_runner().invoke(args=["nightferry", "init-db"])
    assert (result.exit_code, result.output) == (0, "Nightferry's tables are ready.\n")
    assert app.test_cli_runner().invoke(args=["nightferry", "init-db"]).exit_code == 0
    assert device.push(put("a", 1))[0]["status"] == "applied"


@pytest.mark.parametrize("flag", ["DEBUG", "TESTING"])
def test_in_development_the_tables_are_made_on_first_use(production: MakeApp, flag: str) -> None:
    off = production(NIGHTFERRY_CREATE_TABLES=False)
    off.config[flag] = True
    device = Device(off)
    assert error_of(device.post("pull", device.pull_body({}))) == (503, "unavailable")
    app = production()
    app.config[flag] = True
    assert Device(app).push(put("a", 1))[0]["status"] == "applied"


@pytest.mark.parametrize("_time", range(10))  # one race in some twenty is lost on SQLite
def test_many_processes_may_make_the_tables_at_once(make_app: MakeApp, _time: int) -> None:
    stores = [state_of(make_app()).store for _ in range(6)]
    barrier = threading.Barrier(len(stores))

    def work(store: Store) -> None:
        barrier.wait()
        store.make_ready(create_tables=True)

    with ThreadPoolExecutor(len(stores)) as threads:
        list(threads.map(work, stores))


def test_many_first_requests_at_once(app: Flask) -> None:
    barrier = threading.Barrier(7)

    def work(index: int) -> str:
        barrier.wait()
        return str(Device(app, client=str(index)).push(put(str(index), 1))[0]["status"])

    with ThreadPoolExecutor(7) as threads:
        assert set(threads.map(work, range(7))) == {"applied"}


def test_tables_of_a_newer_format_are_left_alone(
    app: Flask, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    Device(app).push(put("a", 1))
    with state_of(app).store.write() as connection:
        connection.execute(text("UPDATE nightferry_meta SET value = '2'"))
    device = Device(make_app())
    assert error_of(device.post("push", device.push_body(put("b", 1)))) == (503, "unavailable")
    assert "format 2" in caplog.text
    with state_of(app).store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM nightferry_items")) == 1


def test_tables_that_lack_a_column_are_named_in_the_log(
    app: Flask, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    Device(app).push(put("a", 1))
    with state_of(app).store.write() as connection:
        connection.execute(text("ALTER TABLE nightferry_answers DROP COLUMN effect"))
    device = Device(make_app())
    assert error_of(device.post("pull", device.pull_body({}))) == (503, "unavailable")
    assert "nightferry_answers has no column effect" in caplog.text


def test_a_table_that_is_missing_is_named_in_the_log(
    app: Flask, production: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an update that brought a table, before `init-db` was run."""
    Device(app).push(put("a", 1))
    with state_of(app).store.write() as connection:
        connection.execute(text("DROP TABLE nightferry_devices"))
    later = production()
    device = Device(later)
    assert error_of(device.post("pull", device.pull_body({}))) == (503, "unavailable")
    assert "nightferry_devices is missing; run `flask nightferry init-db`" in caplog.text
    assert later.test_cli_runner().invoke(args=["nightferry", "init-db"]).exit_code == 0
    assert device.everything() == {("files", "a"): 1}


def test_stats(app: Flask) -> None:
    device = Device(app)
    device.push(put("a", 1), put("b", "xy", slice="models"))
    result = app.test_cli_runner().invoke(args=["nightferry", "stats"])
    assert result.exit_code == 0
    assert "acme/files: 1 items, 0 tombstones, 1 characters of JSON\n" in result.output
    assert "1 clients" in result.output
