"""The golden messages of `tests/wire/`, and that what this server answers has their form."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import WIRE, Device, MakeApp, authenticate, delete, golden, put
from flask import Flask
from sqlalchemy import update

from flask_nightferry import Change, Nightferry, Refused, strict_json, wire
from flask_nightferry.errors import CODES, ApiError
from flask_nightferry.schema import items
from flask_nightferry.state import state_of

VALUES = golden("values.json")


def test_the_push_request_is_read() -> None:
    request = wire.push_request(golden("push-request.json")["message"])
    assert (request.client, request.n, request.tag) == ("0b9c6c5e8f1d4a27", 7, "f3a9c1d27b60e845")
    assert (request.principal, request.user, request.device) == ("acme/ann", "ann", "Firefox on Linux")
    mutations = request.mutations
    assert all(isinstance(mutation, wire.Mutation) for mutation in mutations)
    assert [m.op for m in mutations if isinstance(m, wire.Mutation)] == [
        "put",
        "put",
        "patch",
        "delete",
        "put",
    ]
    assert [m.id for m in mutations] == ["src/main.rs", "0", "a:b/c?d#e%20 f", "日本語", "value"]


@pytest.mark.parametrize(
    "name", ["pull-request.json", "pull-request-first.json", "pull-request-principal.json"]
)
def test_the_pull_requests_are_read(name: str) -> None:
    message = golden(name)["message"]
    request = wire.pull_request(message)
    assert request.slices == message["slices"]
    assert request.principal == message.get("principal")
    assert request.user == message.get("user")
    assert request.device == message.get("device")
    assert request.answered == message.get("answered")
    assert request.mine == frozenset(message.get("mine", []))
    assert request.limit == message.get("limit", wire.DEFAULT_PAGE)


def test_every_error_code_has_a_golden() -> None:
    files = {path.name for path in WIRE.glob("error-*.json")}
    assert files == {f"error-{code.replace('_', '-')}.json" for code in CODES}


@pytest.mark.parametrize("code", CODES)
def test_the_errors_are_as_in_their_goldens(code: str) -> None:
    document = golden(f"error-{code.replace('_', '-')}.json")
    example = document["message"]["error"]
    error = ApiError(code, example["message"], slices=example.get("slices", ()))
    assert error.body() == document["message"]
    assert error.status == document["status"]
    if "Retry-After" in document.get("headers", {}):
        assert error.headers == document["headers"]


@pytest.mark.parametrize("case", VALUES["accepted"], ids=lambda case: case["text"][:30])
def test_accepted_values(case: dict[str, str]) -> None:
    value = strict_json.checked(strict_json.parse(case["text"]))
    assert strict_json.same(value, strict_json.checked(strict_json.parse(case["equals"])))
    written = strict_json.parse(strict_json.text_of(value))
    assert strict_json.same(strict_json.checked(written), value)


@pytest.mark.parametrize("case", VALUES["refused"], ids=lambda case: case["text"][:30])
def test_refused_values(case: dict[str, str]) -> None:
    if case["reason"] == "syntax":
        with pytest.raises(strict_json.InvalidJson):
            strict_json.parse(case["text"])
        return
    with pytest.raises(strict_json.RefusedValue) as refusal:
        strict_json.checked(strict_json.parse(case["text"]))
    assert (refusal.value.reason, refusal.value.path) == (case["reason"], case["path"])


def shape(value: Any) -> Any:
    """An answer's form: names and types, without what the app put into items."""
    if isinstance(value, dict):
        return {key: "any" if key == "value" else shape(element) for key, element in value.items()}
    if isinstance(value, list):
        return [shape(element) for element in value]
    return type(value).__name__


def shapes(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted((dict(sorted(shape(row).items())) for row in rows), key=repr)


def test_the_answers_to_a_push_have_the_form_of_the_golden(make_app: MakeApp) -> None:
    nightferry = Nightferry(authenticate=authenticate)

    @nightferry.validate("files")
    def check(change: Change) -> None:
        if change.value == "refused":
            raise Refused("Not this one.")
        if change.id == "changed":
            change.value = {"name": "by the server"}

    app = make_app(nightferry)
    device, bob = Device(app), Device(app, user="bob")
    [first, *_] = bob.push(*(put(id_, {}) for id_ in ("a", "gone", "gone too", "broken")))
    bob.push(delete("gone", first["version"]), delete("gone too", first["version"]))
    bob.push(put("a", 1, base=first["version"]), device="Bob's laptop")
    [own] = device.push(put("own", {}))
    with state_of(app).store.write() as connection:
        connection.execute(update(items).where(items.c.id == "broken").values(value="{not json"))
    [gone] = [change for change in device.pull()["changes"] if change["id"] == "gone too"]
    body = device.push_body(
        put("new", {}),
        put("changed", {}),
        put("a", 2),
        put("own", 2),
        put("gone", 2),
        put("never", 2, base=first["version"]),
        put("own refused", "refused"),
        put("gone too", "refused", base=gone["version"]),
        put("never too", "refused"),
        put("broken", 2),
    )
    device.push(put("own refused", {}), n=3)
    [row] = [change for change in device.pull()["changes"] if change["id"] == "own refused"]
    body["mutations"][6]["base"] = row["version"]
    response = device.post("push", body | {"n": 4}).get_json()
    example = golden("push-response.json")["message"]
    assert shapes(response["results"]) == shapes(example["results"])
    assert shape(response | {"results": []}) == shape(example | {"results": []})

    response = device.post("push", device.push_body(put("own", {}, base=own["version"]), put("a", 2), n=5))
    example = golden("push-response-no-effect.json")["message"]
    assert shape(response.get_json()) == shape(example)


def test_the_answers_to_a_pull_have_the_form_of_the_goldens(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, user="bob", client="laptop")
    nothing = phone.post("pull", {"protocol": 1, "client": "phone", "slices": {}}).get_json()
    assert nothing == golden("pull-response-principal.json")["message"]

    [one] = laptop.push(put("1", {"id": "1"}), device="Bob's laptop")
    phone.push(put("2", {"id": "2"}), put("3", {"id": "3"}))
    laptop.push(put("4", {"id": "4"}), put("5", {"id": "5"}))
    first = phone.pull({"files": None, "settings": None}, limit=2)
    example = golden("pull-response-first.json")["message"]
    assert (shape(first), first["more"], first["total"]) == (shape(example), True, 5)

    two = first["changes"][1]["version"]
    rest = phone.pull(first["cursors"])
    later = golden("pull-response-next.json")["message"]
    assert set(rest) == set(later)
    assert shapes(rest["changes"][1:2]) == shapes(later["changes"])

    laptop.push(put("1", {"id": "a"}, base=one["version"]), device="Bob's laptop")
    laptop.push(delete("2", two))
    phone.push(delete("3", two), put("6", {"id": "6"}))
    page = phone.pull({"files": rest["cursors"]["files"], "models": None})
    example = golden("pull-response.json")["message"]
    assert shapes(page["changes"]) == shapes(example["changes"])
    assert {k: type(v) for k, v in page.items()} == {k: type(v) for k, v in example.items()}


def test_health_is_as_in_its_golden(app: Flask) -> None:
    response = app.test_client().get("/nightferry/health")
    assert (response.status_code, response.get_json()) == (200, golden("health.json")["message"])
