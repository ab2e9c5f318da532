"""The lines of the log about refusals, conflicts and rebuilds."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import (
    Database,
    Device,
    MakeApp,
    authenticate,
    error_of,
    postgresql_only,
    put,
    sqlite_only,
)
from flask import Flask
from sqlalchemy import text

from flask_nightferry import Change, Nightferry, Refused
from flask_nightferry.cursors import Cursor
from flask_nightferry.schema import items
from flask_nightferry.state import state_of

SECRET = "what the user typed"


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_nightferry")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines at INFO. In none of the log is a value."""
    assert SECRET not in caplog.text
    return [record.getMessage() for record in caplog.records if record.levelname == "INFO"]


def test_a_refusal_is_logged_once_without_its_value(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    nightferry = Nightferry(authenticate=authenticate)

    @nightferry.validate("files")
    def check(change: Change) -> None:
        raise Refused(f"{change.value} is too long.", code="too_long")

    device = Device(make_app(nightferry))
    body = device.push_body(put("a\nb", SECRET), put("", SECRET), put("b", SECRET, slice="models"))
    for _ in range(2):
        assert device.post("push", body).status_code == 200
    # An id that no item can have is not kept as answered, so it is refused each time.
    assert lines(caplog) == [
        "refused (too_long): tenant 'acme', user 'ann', client phone, slice 'files', id 'a\\nb'",
        "refused (invalid_id): tenant 'acme', user 'ann', client phone, slice 'files', id ''",
        "refused (invalid_id): tenant 'acme', user 'ann', client phone, slice 'files', id ''",
    ]


def test_a_conflict_is_logged_without_its_values(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    Device(app, user="bob", client="laptop").push(put("a", SECRET))
    phone = Device(app)
    phone.push(put("a", f"{SECRET} too"), put("b", SECRET))
    assert lines(caplog) == ["conflict: tenant 'acme', user 'ann', client phone, slice 'files', id 'a'"]


def test_a_rebuild_is_logged_with_its_slices(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    [created] = device.push(put("a", SECRET))
    lost = created["version"] + 1
    refused = device.post("push", device.push_body(put("a", 1, base=lost), put("m", 1, lost, slice="models")))
    assert error_of(refused) == (410, "history_changed")
    cursor = Cursor(lost, None).text()
    assert error_of(device.post("pull", device.pull_body({"files": cursor}))) == (410, "history_changed")
    assert error_of(device.post("pull", device.pull_body({"files": "?"}))) == (410, "cursor_expired")
    who = "tenant 'acme', user 'ann', client phone"
    assert lines(caplog) == [
        f"rebuild (history_changed): {who}, slices files, models",
        f"rebuild (history_changed): {who}, slices files",
        f"rebuild (cursor_expired): {who}, slices files",
    ]


def test_what_applies_is_not_logged(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    device.push(put("a", SECRET))
    device.pull()
    assert lines(caplog) == []


WHO = "tenant 'acme', user 'ann', client phone"


def test_a_line_about_a_request_says_whose_it_is(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    nightferry = Nightferry(authenticate=authenticate)

    @nightferry.validate("files")
    def fail(change: Change) -> None:
        raise RuntimeError("a bug of the app")

    device = Device(make_app(nightferry))
    assert device.post("push", device.push_body(put("a", SECRET))).status_code == 500
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == f"a request failed: {WHO}"
    assert record.nightferry == {"tenant": "acme", "user": "ann", "client": "phone"}  # type: ignore[attr-defined]
    assert SECRET not in caplog.text


def test_each_line_has_its_fields_for_formatters(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    device.push(put("", SECRET))
    logging.getLogger("flask_nightferry").warning("of no request")
    refused, other = caplog.records
    who = {"tenant": "acme", "user": "ann", "client": "phone"}
    assert refused.nightferry == who | {"slice": "files", "id": ""}  # type: ignore[attr-defined]
    assert other.getMessage() == "of no request"
    assert other.nightferry == {}  # type: ignore[attr-defined]


def test_a_line_is_about_no_request_that_is_over(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with app.app_context():
        Device(app).push(put("a", 1))
        logging.getLogger("flask_nightferry").warning("later")
    assert caplog.records[-1].getMessage() == "later"


@postgresql_only
def test_a_fault_of_postgresql_is_logged_without_what_was_to_be_stored(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device(app)
    device.push(put("a", 1))
    with state_of(app).store.write() as connection:
        short = "ALTER TABLE nightferry_items ADD CONSTRAINT short CHECK (length(value) < 5)"
        connection.execute(text(short))
    assert device.post("push", device.push_body(put("b", SECRET))).status_code == 500
    assert "short" in caplog.text
    assert "Traceback" in caplog.text
    assert WHO in caplog.text
    assert SECRET not in caplog.text


@sqlite_only
def test_a_fault_of_sqlite_is_logged_without_what_was_to_be_stored(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device(app)
    device.push(put("a", 1))
    with state_of(app).store.write() as connection:
        connection.execute(text("ALTER TABLE nightferry_items ADD COLUMN more CHECK (length(value) < 5)"))
    assert device.post("push", device.push_body(put("b", SECRET))).status_code == 500
    assert "CHECK constraint failed" in caplog.text
    assert SECRET not in caplog.text


def test_a_stored_text_that_can_not_be_read_is_not_quoted(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device(app)
    for number, stored in enumerate((f'"{SECRET}', f'{{"{SECRET}": 1, "{SECRET}": 2}}')):
        device.push(put(f"{number}", 1))
        with state_of(app).store.write() as connection:
            named = items.c.id == f"{number}"
            connection.execute(items.update().where(named).values(value=stored))
        [refused] = device.push(put(f"{number}", 2))
        assert refused["code"] == "unreadable"
        device.pull()
    assert "not strict JSON" in caplog.text
    assert SECRET not in caplog.text


def test_the_sample_of_a_logging_configuration_is_as_the_docs_say(tmp_path: Path, database: Database) -> None:
    page = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    [sample] = re.findall(r"^<!-- tested: logging -->\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    program = sample + (
        "\nimport logging"
        "\nlogging.getLogger('flask_nightferry').info('refused', extra={'nightferry': {'id': 'a'}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import flask_nightferry\n" + program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^\d{4}-\d\d-\d\d \S+ INFO flask_nightferry: refused$", done.stderr, re.MULTILINE)
