"""The conformance suite `tests/wire/pushes.json`; its README has the format."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conformance import TENANT, UNREADABLE, Versions, same, store
from conftest import Device, MakeApp, authenticate, error_of, golden
from flask import Flask
from sqlalchemy import select

from flask_nightferry import Change, Nightferry, Refused, schema, strict_json
from flask_nightferry.state import state_of

CASES = golden("pushes.json")["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_pushes(make_app: MakeApp, case: dict[str, Any]) -> None:
    nightferry = Nightferry(authenticate=authenticate)
    for described in case.get("hooks", []):
        nightferry.validate(described["slice"])(hook(described))
    app = make_app(nightferry)
    versions = Versions(case)
    store(app, versions, case["state"])

    began = time.time_ns() // 1_000_000
    assert len(case["pushes"]) == len(case["answers"])
    for push, answer in zip(case["pushes"], case["answers"], strict=True):
        send(app, versions, push, answer)
    ended = time.time_ns() // 1_000_000

    found = stored(app)
    for row in case["state_after"]:
        if row["at"] == "now":
            at = found[row["slice"], row["id"]]["at"]
            assert began <= at <= ended
            row = row | {"at": at}
        expected = row | {"version": versions.number(row["version"])}
        assert same(found.pop((row["slice"], row["id"])), expected)
    assert found == {}


def send(app: Flask, versions: Versions, push: dict[str, Any], answer: dict[str, Any]) -> None:
    """Sends one push and compares its answer with the expected one."""
    device = Device(app, user=push["user"], tenant=TENANT, client=push["client"])
    mutations = [
        m | ({"base": versions.number(m["base"])} if isinstance(m.get("base"), str) else {})
        for m in push["mutations"]
    ]
    answered = {"answered": versions.number(push["answered"])} if "answered" in push else {}
    body = device.push_body(*mutations, n=push["n"], tag=push["tag"]) | answered | push.get("fields", {})
    response = device.post("push", body)
    if "error" in answer:
        name = answer["error"].replace("_", "-")
        assert error_of(response) == (golden(f"error-{name}.json")["status"], answer["error"])
        assert response.get_json()["error"].get("slices") == answer.get("slices")
        return
    assert response.status_code == 200, response.text
    message = response.get_json()
    assert set(message) == {"protocol", "principal", "version", "results"}
    assert (message["protocol"], message["principal"]) == (1, f"{TENANT}/{push['user']}")
    versions.bind(answer["version"], message["version"])
    assert len(message["results"]) == len(answer["results"])
    for result, expected in zip(message["results"], answer["results"], strict=True):
        versions.bind(expected["version"], result["version"])
        if result["status"] == "rejected":
            assert isinstance(result["message"], str)
            assert result["message"]
            expected = {"message": result["message"]} | expected
        assert same(result, expected | {"version": result["version"]})


def hook(described: dict[str, Any]) -> Any:
    """The hook that a case describes."""

    def run(change: Change) -> None:
        when = described.get("when", {})
        fields = change.value if isinstance(change.value, dict) else {}
        if change.op != described["op"] or any(
            key not in fields or not same(fields[key], value) for key, value in when.items()
        ):
            return
        if "refuse" in described:
            raise Refused(described["refuse"], described.get("code", "refused"))
        change.value = fields | described["set"]

    return run


def stored(app: Flask) -> dict[tuple[str, str], dict[str, Any]]:
    """The items that the server has, in the form of a case's rows."""
    found = {}
    with state_of(app).store.read() as connection:
        for row in connection.execute(select(schema.items)):
            assert row.tenant == TENANT
            described = {
                name: getattr(row, name) for name in ("slice", "id", "version", "at", "user", "client")
            }
            if row.device is not None:
                described["device"] = row.device
            if row.deleted:
                assert row.value is None
                described["deleted"] = True
            elif row.value == UNREADABLE:
                described["unreadable"] = True
            else:
                described["value"] = strict_json.checked(strict_json.parse(row.value))
            found[row.slice, row.id] = described
    return found
