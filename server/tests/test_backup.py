"""What devices notice of a database that was restored as docs/deployment.md says."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Database, Device, MakeApp, error_of, put
from flask import Flask
from postgresql import find_programs, plain
from sqlalchemy import make_url

from flask_nightferry.state import state_of

Restore = Callable[[], None]


def back_up(app: Flask, database: Database, folder: Path) -> Restore:
    """Backs up the database, and returns what restores it."""
    state_of(app).close()
    if database.name == "sqlite":
        file = Path(str(state_of(app).config.database_url.database))
        copy = folder / "backup.sqlite3"
        connection = sqlite3.connect(file)
        connection.execute(f"VACUUM INTO '{copy}'")
        connection.close()

        def restore() -> None:
            for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
                file.with_name(name).unlink(missing_ok=True)
            copy.rename(file)

        return restore
    url = make_url(database.options["NIGHTFERRY_DATABASE_URL"])
    schema = str(url.query["options"]).partition("=")[2]
    target = plain(url.set(query={"host": url.query["host"]}))
    dump = folder / "notes.dump"
    programs = find_programs()
    command = [programs / "pg_dump", "--format", "custom", "--schema", schema, "--file", dump, target]
    subprocess.run(command, check=True, capture_output=True)

    def restore() -> None:
        command = [programs / "pg_restore", "--clean", "--dbname", target, dump]
        subprocess.run(command, check=True, capture_output=True)

    return restore


@dataclass
class Restored:
    """A server whose latest change was lost, which the phone has made and the laptop has not heard of."""

    phone: Device
    laptop: Device
    new: Device
    phones_cursors: dict[str, str | None]
    laptops_cursors: dict[str, str | None]
    lost: int  # the version that is gone


@pytest.fixture
def restored(make_app: MakeApp, database: Database, tmp_path: Path) -> Restored:
    app = make_app()
    phone, laptop = Device(app), Device(app, client="laptop")
    phone.push(put("before", 1))
    laptops_cursors = laptop.pull()["cursors"]
    restore = back_up(app, database, tmp_path)
    after = make_app()
    phone.http = after.test_client()
    [lost] = phone.push(put("lost", 2))
    phones_cursors = phone.pull()["cursors"]
    state_of(after).close()
    restore()
    again = make_app()
    for device in (phone, laptop):
        device.http = again.test_client()
    new = Device(again, client="new")
    return Restored(phone, laptop, new, phones_cursors, laptops_cursors, lost["version"])


def test_a_device_that_has_seen_what_the_backup_lacks_is_told_to_rebuild(restored: Restored) -> None:
    phone = restored.phone
    refused = phone.post("pull", phone.pull_body(restored.phones_cursors))
    assert error_of(refused) == (410, "history_changed")
    assert refused.get_json()["error"]["slices"] == ["files"]
    # Also one whose cursor the backup has, by the version of its latest answer.
    refused = phone.post("pull", phone.pull_body(restored.laptops_cursors, answered=restored.lost))
    assert error_of(refused) == (410, "history_changed")
    # It brings what the server lacks, as the engine does after it has compared everything.
    assert phone.everything() == {("files", "before"): 1}
    assert phone.push(put("lost", 2))[0]["status"] == "applied"
    assert restored.new.everything() == {("files", "before"): 1, ("files", "lost"): 2}


def test_a_device_that_has_seen_no_more_than_the_backup_has_goes_on(restored: Restored) -> None:
    laptop = restored.laptop
    assert laptop.pull(restored.laptops_cursors)["changes"] == []
    assert laptop.push(put("next", 1))[0]["status"] == "applied"
