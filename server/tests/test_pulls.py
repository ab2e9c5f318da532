"""The conformance suite `tests/wire/pulls.json`; its README has the format."""

from __future__ import annotations

from typing import Any

import pytest
from conformance import TENANT, Versions, insert_rows, same
from conftest import Device, error_of, golden
from flask import Flask
from sqlalchemy import Connection, and_, delete, insert, select, update

from flask_nightferry import schema
from flask_nightferry.state import state_of

CASES = golden("pulls.json")["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_pulls(app: Flask, case: dict[str, Any]) -> None:
    server = Server(app, case)
    for step in case["steps"]:
        if "pull" in step:
            server.answer(step["pull"], step["answer"])
        elif "write" in step:
            server.write(step["write"])
        elif "restore" in step:
            server.restore(step["restore"])
        else:
            server.forget(step["forget"])


class Server:
    """The app, its database, and the cursors that it gave, under their names in the case."""

    def __init__(self, app: Flask, case: dict[str, Any]) -> None:
        self.app = app
        self.database = state_of(app).store
        self.database.create_tables()
        self.versions = Versions(case)
        self.cursors: dict[str, str] = {}
        with self.database.write() as connection:
            history = {"tenant": TENANT, "last_version": 0, "forgotten_through": 0}
            connection.execute(insert(schema.tenants), history)
            insert_rows(connection, self.versions, case["state"])
            self._know(connection, self.versions.known.values(), self._newest(case["state"]))

    def answer(self, asked: dict[str, Any], expected: dict[str, Any]) -> None:
        """Sends one pull and compares its answer with the expected one."""
        device = Device(self.app, user=asked["user"], tenant=TENANT, client=asked["client"])
        slices = {
            name: self.cursors[cursor["cursor"]] if isinstance(cursor, dict) else cursor
            for name, cursor in asked["slices"].items()
        }
        fields = {"limit": asked["limit"]} if "limit" in asked else {}
        if "mine" in asked:
            fields["mine"] = [self.versions.number(symbol) for symbol in asked["mine"]]
        if "answered" in asked:
            fields["answered"] = self.versions.number(asked["answered"])
        response = device.post("pull", device.pull_body(slices, **fields) | asked.get("fields", {}))
        if "error" in expected:
            name = expected["error"].replace("_", "-")
            assert error_of(response) == (golden(f"error-{name}.json")["status"], expected["error"])
            assert response.get_json()["error"].get("slices") == expected.get("slices")
            return
        assert response.status_code == 200, response.text
        message = response.get_json()
        cursors = message.pop("cursors")
        assert set(cursors) == set(expected["cursors"])
        assert all(isinstance(cursor, str) for cursor in cursors.values())
        self.cursors |= {name: cursors[slice_] for slice_, name in expected["cursors"].items() if name}
        assert same(message, self._message(asked["user"], expected))

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Does one transaction."""
        with self.database.write() as connection:
            for row in rows:
                item = and_(schema.items.c.slice == row["slice"], schema.items.c.id == row["id"])
                connection.execute(delete(schema.items).where(item))
            insert_rows(connection, self.versions, rows)
            self._know(connection, {self.versions.number(row["version"]) for row in rows}, self._newest(rows))

    def restore(self, rows: list[dict[str, Any]]) -> None:
        """Goes back to a backup with these rows. All later versions are lost."""
        with self.database.write() as connection:
            newest = self._newest(rows)
            connection.execute(delete(schema.items))
            connection.execute(delete(schema.versions).where(schema.versions.c.version > newest))
            insert_rows(connection, self.versions, rows)
            self._know(connection, (), newest)

    def forget(self, symbol: str) -> None:
        """Moves the horizon to this version: it and those before are forgotten, with their tombstones."""
        through = self.versions.number(symbol)
        with self.database.write() as connection:
            old = and_(schema.items.c.deleted, schema.items.c.version <= through)
            connection.execute(delete(schema.items).where(old))
            connection.execute(delete(schema.versions).where(schema.versions.c.version <= through))
            connection.execute(update(schema.tenants).values(forgotten_through=through))

    def _know(self, connection: Connection, numbers: Any, newest: int) -> None:
        known = set(connection.scalars(select(schema.versions.c.version)))
        for number in set(numbers) - known:
            if number <= newest:
                connection.execute(insert(schema.versions), {"tenant": TENANT, "version": number})
        connection.execute(update(schema.tenants).values(last_version=newest))

    def _newest(self, rows: list[dict[str, Any]]) -> int:
        return max((self.versions.number(row["version"]) for row in rows), default=0)

    def _message(self, user: str, expected: dict[str, Any]) -> dict[str, Any]:
        message = {"protocol": 1, "principal": f"{TENANT}/{user}"} | expected
        del message["cursors"]
        message["version"] = self.versions.number(message["version"])
        message["changes"] = [
            change | {"version": self.versions.number(change["version"])} for change in message["changes"]
        ]
        return message
