"""What is done under the tenant's lock, how long others wait, and how often the database is asked."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import (
    SECONDS,
    Database,
    Device,
    MakeApp,
    authenticate,
    delete,
    error_of,
    postgresql_only,
    put,
    until,
)
from flask import Flask
from postgresql import plain
from sqlalchemy import event, make_url, select, text

from flask_nightferry import Change, Nightferry, admission, pokes, push, schema, store, versions
from flask_nightferry.cursors import Cursor
from flask_nightferry.state import state_of


class Gate:
    """A hook that stands still until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.reached = threading.Event()
        self.open = threading.Event()
        self.on_new: Callable[[], Any] = lambda: None

    def __call__(self, change: Change) -> None:
        self.asked.append(change.id)
        if change.id.startswith("new"):
            self.on_new()
        if change.id.startswith("slow"):
            self.reached.set()
            assert self.open.wait(SECONDS)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(make_app: MakeApp, gate: Gate) -> Flask:
    """An app whose hook for `files` is the gate."""
    nightferry = Nightferry(authenticate=authenticate)
    nightferry.validate("files")(gate)
    return make_app(nightferry)


def in_hook(gate: Gate, work: Callable[[], Any], meanwhile: Callable[[], Any]) -> Any:
    """Runs `meanwhile` while `work` stands in the hook; returns what `work` does."""
    with ThreadPoolExecutor(1) as threads:
        pushed = threads.submit(work)
        assert gate.reached.wait(SECONDS)
        try:
            meanwhile()
        finally:
            gate.open.set()
        return pushed.result(SECONDS)


def test_a_hook_holds_up_no_other_push_of_its_tenant(gated: Flask, gate: Gate) -> None:
    slow, quick = Device(gated), Device(gated, client="laptop")
    made: list[int] = []
    [result] = in_hook(
        gate, lambda: slow.push(put("slow", 1)), lambda: made.append(quick.push(put("a", 1))[0]["version"])
    )
    assert result["status"] == "applied"
    assert result["version"] > made[0]
    assert quick.everything() == {("files", "slow"): 1, ("files", "a"): 1}


def test_what_was_changed_while_a_hook_ran_is_compared_again(gated: Flask, gate: Gate) -> None:
    slow, quick = Device(gated), Device(gated, client="laptop")
    [a, _] = quick.push(put("a", 1), put("b", 1))
    version = a["version"]
    gate.asked.clear()
    results = in_hook(
        gate,
        lambda: slow.push(put("slow", 1), put("a", 2, base=version), put("b", 2, base=version)),
        lambda: quick.push(put("a", 3, base=version)),
    )
    assert [r["status"] for r in results] == ["applied", "conflict", "applied"]
    assert results[1]["value"] == 3
    assert quick.everything() == {("files", "slow"): 1, ("files", "a"): 3, ("files", "b"): 2}
    # Nothing but the item that was overtaken was decided anew, and a conflict asks no hook.
    assert gate.asked == ["slow", "a", "a", "b"]


def test_what_is_changed_before_the_second_look_is_not_overwritten(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, other = Device(app), Device(app, client="laptop")
    version = device.push(put("a", 1), put("b", 1))[0]["version"]
    look, looks = push._Draft.look, []

    def meanwhile(self: push._Draft, *args: Any) -> None:
        looks.append(self)
        mine = self.request.client == device.client
        if mine and len(looks) == 3:  # the other's push was the second
            other.push(put("b", "other", base=version))
        look(self, *args)
        if mine and len(looks) == 1:
            other.push(put("a", "other", base=version))

    monkeypatch.setattr(push._Draft, "look", meanwhile)
    results = device.push(put("a", 2, base=version), put("b", 2, base=version))
    assert [r["status"] for r in results] == ["conflict", "conflict"]
    assert device.everything() == {("files", "a"): "other", ("files", "b"): "other"}


def test_an_item_that_came_while_a_hook_ran_is_not_overwritten(gated: Flask, gate: Gate) -> None:
    slow, quick = Device(gated), Device(gated, client="laptop")
    [result] = in_hook(gate, lambda: slow.push(put("slow", 1)), lambda: bypass_hook(gated, quick))
    assert (result["status"], result["value"]) == ("conflict", "other")
    assert quick.everything() == {("files", "slow"): "other"}


def bypass_hook(app: Flask, device: Device) -> None:
    """Another device creates the item `slow` in an app over the same database that has no hooks."""
    hooks = state_of(app).hooks
    saved = hooks["files"]
    hooks["files"] = []  # type: ignore[index]
    try:
        device.push(put("slow", "other"))
    finally:
        hooks["files"] = saved  # type: ignore[index]


def test_the_same_push_again_while_the_first_is_in_its_hook_applies_once(gated: Flask, gate: Gate) -> None:
    device = Device(gated)
    body = device.push_body(put("slow", 1), put("a", 1))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: Device(gated).post("push", body).get_json())
        assert gate.reached.wait(SECONDS)
        gate.reached.clear()
        second = threads.submit(lambda: Device(gated).post("push", body).get_json())
        assert gate.reached.wait(SECONDS)
        gate.open.set()
        assert first.result(SECONDS) == second.result(SECONDS)
    assert len({r["version"] for r in first.result()["results"]}) == 1
    assert device.pull()["total"] == 2


def test_f77_of_one_tenant_three_pushes_wait_and_the_rest_is_told_to_come_back(
    gated: Flask, gate: Gate
) -> None:
    places = admission.UNDER_WAY + admission.WAITING
    assert admission.WAITING == 3
    state = state_of(gated)
    Device(gated).push(put("a", 1))
    with ThreadPoolExecutor(places) as threads:
        stuck = [
            threads.submit(Device(gated, client=f"c{i}").push, put(f"slow {i}", 1)) for i in range(places)
        ]
        until(lambda: state.admission.places_taken("acme") == (admission.UNDER_WAY, admission.WAITING))
        late = Device(gated, client="late")
        refused = late.post("push", late.push_body(put("b", 1)))
        assert error_of(refused) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        # Who waits holds up nobody else.
        assert Device(gated, tenant="other").push(put("a", 1))[0]["status"] == "applied"
        assert late.everything() == {("files", "a"): 1}
        assert gated.test_client().get("/nightferry/health").status_code == 200
        gate.open.set()
        assert [push.result(SECONDS)[0]["status"] for push in stuck] == ["applied"] * places
    assert state.admission.places_taken("acme") == (0, 0)
    assert late.push(put("b", 1))[0]["status"] == "applied"


def test_f77_who_waits_for_a_place_in_vain_is_told_to_come_back(
    gated: Flask, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "WAIT_SECONDS", 0.05)
    state = state_of(gated)
    with ThreadPoolExecutor(admission.UNDER_WAY) as threads:
        stuck = [
            threads.submit(Device(gated, client=f"c{i}").push, put(f"slow {i}", 1))
            for i in range(admission.UNDER_WAY)
        ]
        until(lambda: state.admission.places_taken("acme") == (admission.UNDER_WAY, 0))
        late = Device(gated, client="late")
        assert error_of(late.post("push", late.push_body(put("b", 1)))) == (503, "unavailable")
        gate.open.set()
        assert [push.result(SECONDS)[0]["status"] for push in stuck] == ["applied"] * admission.UNDER_WAY


# PostgreSQL


@contextmanager
def other_session(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A program beside the app, with a connection of its own."""
    with psycopg.connect(plain(make_url(database.options["NIGHTFERRY_DATABASE_URL"]))) as connection:
        yield connection


@postgresql_only
def test_postgresql_is_prepared(app: Flask) -> None:
    state_of(app).store.create_tables()
    for transaction in (state_of(app).store.write, state_of(app).store.read):
        with transaction() as connection:
            for setting, value in (
                ("lock_timeout", "5s"),
                ("statement_timeout", "15s"),
                ("idle_in_transaction_session_timeout", "15s"),
                ("transaction_isolation", "read committed"),
            ):
                assert connection.scalar(text(f"SHOW {setting}")) == value


LOCK = "SELECT 1 FROM nightferry_tenants WHERE tenant = 'acme' FOR UPDATE"


@postgresql_only
def test_f77_a_lock_is_waited_for_in_vain_for_so_long_only(
    make_app: MakeApp,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 100)
    device = Device(make_app())
    device.push(put("a", 1))
    with other_session(database) as other:
        other.execute(LOCK)
        body = device.push_body(put("b", 1))
        assert error_of(device.post("push", body)) == (503, "unavailable")
        assert "lock timeout" in caplog.text
        assert device.everything() == {("files", "a"): 1}  # reading goes on
        other.rollback()
        assert device.post("push", body).status_code == 200


@postgresql_only
def test_f77_a_transaction_that_nobody_goes_on_with_loses_its_lock(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "IDLE_TIMEOUT_MS", 1_000)
    app = make_app()
    device = Device(app)
    device.push(put("a", 1))
    with state_of(app).store.engine.connect() as stopped:
        stopped.execute(text(LOCK))
        # It would wait five seconds, and then give up.
        assert device.push(put("b", 1))[0]["status"] == "applied"
        stopped.invalidate()


@postgresql_only
def test_connections_that_the_database_has_closed_are_made_anew(app: Flask, database: Database) -> None:
    device = Device(app)
    device.push(put("a", 1))
    with state_of(app).store.read() as connection:
        process = connection.scalar(text("SELECT pg_backend_pid()"))
    with other_session(database) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))
    assert device.push(put("b", 1))[0]["status"] == "applied"
    assert device.pull()["total"] == 2


@postgresql_only
@pytest.mark.parametrize("default", ["repeatable read", "serializable"])
def test_f79_the_isolation_level_is_not_the_databases_default(
    make_app: MakeApp, database: Database, default: str
) -> None:
    # In a session of its own, so that no other test has it.
    options = f"{make_url(database.options['NIGHTFERRY_DATABASE_URL']).query['options']}"
    url = make_url(database.options["NIGHTFERRY_DATABASE_URL"]).update_query_dict(
        {"options": f"{options} -cdefault_transaction_isolation={default.replace(' ', chr(92) + ' ')}"}
    )
    app = make_app(NIGHTFERRY_DATABASE_URL=url.render_as_string(hide_password=False))
    state_of(app).store.create_tables()
    with state_of(app).store.write() as connection:
        assert connection.scalar(text("SHOW default_transaction_isolation")) == default
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
    barrier = threading.Barrier(4)

    def work(name: str) -> list[int]:
        device = Device(app, client=name)
        barrier.wait()
        return [device.post("push", device.push_body(put(f"{name}{i}", i))).status_code for i in range(20)]

    with ThreadPoolExecutor(4) as threads:
        assert {status for made in threads.map(work, "abcd") for status in made} == {200}
    assert Device(app).pull()["total"] == 80


@pytest.fixture
def unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process is told of pushes: that is done by another thread, on a connection of the pool."""
    monkeypatch.setattr(pokes.PostgresPokes, "pushed", lambda *_: None)


@contextmanager
def traced(app: Flask) -> Iterator[list[str]]:
    """What the one idle connection of the app's pool sends and gets, from libpq's own trace."""
    with state_of(app).store.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
    lines: list[str] = []
    with tempfile.NamedTemporaryFile() as out:
        driver.pgconn.trace(out.fileno())
        driver.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)
        try:
            yield lines
        finally:
            driver.pgconn.untrace()
            lines += Path(out.name).read_text().splitlines()


def round_trips(lines: list[str], since: str = "") -> int:
    """How often the client has waited for the server, after the last message with these words.

    It waits behind each Query and each Sync.
    """
    # A message is a line that begins with its direction. A statement may have several lines.
    messages: list[str] = []
    for line in lines:
        if line[:2] in ("F\t", "B\t"):
            messages.append(line)
        else:
            messages[-1] += line
    if since:
        begin = max(index for index, message in enumerate(messages) if since in message)
        messages = messages[begin + 1 :]
    return sum(1 for message in messages if re.match(r"F\t\d+\t(Query|Sync)", message))


@postgresql_only
@pytest.mark.usefixtures("unnoticed")
def test_an_empty_pull_takes_three_round_trips(app: Flask) -> None:
    device = Device(app)
    device.push(put("a", 1), put("m", 1, slice="models"))
    cursors = device.pull({"files": None, "models": None})["cursors"]
    with traced(app) as lines:
        page = device.pull(cursors)
    assert (page["changes"], page["more"]) == ([], False)
    assert 0 < round_trips(lines) <= 3


@postgresql_only
@pytest.mark.usefixtures("unnoticed")
@pytest.mark.parametrize("overtaken", [False, True])
def test_a_push_takes_five_round_trips_under_the_lock(gated: Flask, gate: Gate, overtaken: bool) -> None:
    gate.open.set()
    device = Device(gated)
    version = device.push(*(put(str(i), i) for i in range(100)))[0]["version"]

    def push(n: int) -> None:
        results = device.push(
            *(put(str(i), f"{n} {i}", base=versions_of[str(i)]) for i in range(100)),
            put(f"new {n}", "x" * 1000),
            delete(f"gone {n}", None),
            put("0 in conflict", 1, base=version),
        )
        assert [r["status"] for r in results] == ["applied"] * 102 + ["conflict"]
        versions_of.update({r["id"]: r["version"] for r in results})

    versions_of = {str(i): version for i in range(100)}
    # The driver prepares a statement when it has seen it five times, with one more round trip, once.
    for n in range(6):
        push(n)
    if overtaken:
        overtake = Device(gated, client="other")
        gate.on_new = lambda: overtake.push(put(f"elsewhere {len(gate.asked)}", 1))
        for n in range(6, 12):
            push(n)
    with traced(gated) as lines:
        push(20)
    # The lock is the first statement of its transaction.
    assert 0 < round_trips(lines, since="BEGIN") <= 5


# Both


def statements(app: Flask, work: Callable[[], Any]) -> list[str]:
    """The texts of the statements that the work asks the database for."""
    texts: list[str] = []
    engine = state_of(app).store.engine

    def note(_c: Any, _cursor: Any, statement: str, _p: Any, _x: Any, _many: bool) -> None:
        of_other_threads = "pg_notify" in statement or "nightferry_devices" in statement
        if not statement.startswith("BEGIN") and not of_other_threads:
            texts.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return texts


def test_a_request_asks_few_statements_whatever_it_is_about(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "FORGET_SHARE", 1)
    device = Device(app)
    slices = [f"s{i}" for i in range(200)]
    device.push(*(put("a", 1, slice=name) for name in slices))
    # Two reads, and what more there is to count.
    assert len(statements(app, lambda: device.pull(dict.fromkeys(slices), limit=1))) == 3
    cursors = device.pull(dict.fromkeys(slices))["cursors"]
    assert len(statements(app, lambda: device.pull(cursors))) == 2
    # Reading: history, latest push, items, what to forget. Writing: lock, latest push, six kinds of rows.
    assert len(statements(app, lambda: device.push(*(put("b", 1, slice=name) for name in slices)))) == 12


def test_versions_behind_the_horizon_are_forgotten_in_passing(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_FORGOTTEN_AT_ONCE", 10)
    monkeypatch.setattr(push, "FORGET_SHARE", 1)
    app = make_app(NIGHTFERRY_HORIZON_DAYS=30)
    device = Device(app)
    made = [device.push(put(str(i), i))[0]["version"] for i in range(25)]
    day = 24 * 60 * 60 * 1000 * 1024
    with state_of(app).store.write() as connection:  # it is 31 days later
        for table, column in (
            (schema.versions, schema.versions.c.version),
            (schema.items, schema.items.c.version),
            (schema.tenants, schema.tenants.c.last_version),
        ):
            connection.execute(table.update().values({column.name: column - 31 * day}))

    def kept() -> list[int]:
        with state_of(app).store.read() as connection:
            return list(
                connection.scalars(select(schema.versions.c.version).order_by(schema.versions.c.version))
            )

    old = [version - 31 * day for version in made]
    new = []
    for left in (16, 7, 4, 5):
        new += [device.push(put(f"new {left}", 1))[0]["version"]]
        assert len(kept()) == left
        # A device that had everything goes on from where it was.
        page = device.pull({"files": Cursor(old[-1], None).text()}, client="laptop")
        assert [change["version"] for change in page["changes"]] == new
        # Behind what was forgotten it can't.
        expired = device.post("pull", device.pull_body({"files": Cursor(old[0], None).text()}))
        assert error_of(expired) == (410, "cursor_expired")
    assert kept() == [old[-1], *new]
