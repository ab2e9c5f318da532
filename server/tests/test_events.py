"""The lines of the log about refusals, conflicts and rebuilds."""

from __future__ import annotations

import logging

import pytest
from conftest import Device, MakeApp, authenticate, error_of, put
from flask import Flask

from flask_nightferry import Change, Nightferry, Refused
from flask_nightferry.cursors import Cursor

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
