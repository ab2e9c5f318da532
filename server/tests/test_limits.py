"""What a request costs is bounded by its size and by limits that are named. Work is counted, not timed."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Device, error_of, patch, put
from flask import Flask
from sqlalchemy import event

from flask_nightferry import compare, push, rows, strict_json, wire
from flask_nightferry import patch as patches
from flask_nightferry.state import state_of


@pytest.fixture
def path_parts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parts of paths that are written while values are checked."""
    written: list[Any] = []
    write = strict_json._pointer_part

    def note(part: str | int) -> str:
        written.append(part)
        return write(part)

    monkeypatch.setattr(strict_json, "_pointer_part", note)
    return written


def test_f74_checking_writes_a_path_only_where_something_is_refused(
    app: Flask, path_parts: list[Any]
) -> None:
    value = {"k" * 100_000: [0] * 10_000}
    [applied, refused] = Device(app).push(
        put("a", value), put("b", {"k" * 100_000: [[0] * 10_000, {"__proto__": 1}]})
    )
    assert (applied["status"], refused["code"]) == ("applied", "invalid_value")
    assert path_parts == ["k" * 100_000, 1, "__proto__"]
    # Another user's first pull of it.
    assert Device(app, user="bob").everything() == {("files", "a"): value}
    assert len(path_parts) == 3


def test_f75_a_patch_has_a_budget_of_work(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[Any] = []
    apply = patches.JsonPatch.apply

    def note(self: Any, *args: Any, **kw: Any) -> Any:
        applied.append(self)
        return apply(self, *args, **kw)

    monkeypatch.setattr(patches.JsonPatch, "apply", note)
    length = 200_000
    [long, short, _] = device.push(put("long", [0] * length), put("short", [0]), put("other", 1))
    front = {"op": "add", "path": "/0", "value": 1}
    back = {"op": "add", "path": "/-", "value": 1}
    results = device.push(
        patch("long", long["version"], *[front] * 1000), patch("short", short["version"], *[front] * 1000)
    )
    assert [r.get("code") for r in results] == ["invalid_patch", None]
    assert str(patches.MAX_MOVES) in results[0]["message"]
    assert len(applied) - 1000 <= patches.MAX_MOVES // length
    # What moves nothing costs nothing.
    [result] = device.push(patch("long", long["version"], *[back] * 1000))
    assert result["status"] == "applied"


def test_f75_the_patches_of_a_push_have_a_budget_together(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patches, "MAX_MOVES", 1000)
    monkeypatch.setattr(patches, "MAX_MOVES_AT_ONCE", 2500)
    version = device.push(*(put(id_, [0] * 100) for id_ in "abc"))[0]["version"]
    remove = [{"op": "remove", "path": "/0"}] * 9
    body = device.push_body(*(patch(id_, version, *remove) for id_ in "abc"))
    refused = device.post("push", body)
    assert error_of(refused) == (413, "too_large")
    assert "2500" in refused.get_json()["error"]["message"]
    assert device.everything() == {("files", id_): [0] * 100 for id_ in "abc"}
    # Half of it is taken, as of every push that is too large.
    for part in (body["mutations"][:2], body["mutations"][2:]):
        results = device.post("push", body | {"mutations": part}).get_json()["results"]
        assert {r["status"] for r in results} == {"applied"}


def test_f75_a_patch_is_applied_outside_the_lock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    device, other = Device(app), Device(app, client="laptop")
    [created] = device.push(put("a", []))
    apply = compare.patched

    def meanwhile(*args: Any) -> Any:
        [result] = other.push(put("b", 1))
        assert result["status"] == "applied"
        return apply(*args)

    monkeypatch.setattr(compare, "patched", meanwhile)
    [result] = device.push(patch("a", created["version"], {"op": "add", "path": "/-", "value": 1}))
    assert result["status"] == "applied"
    assert device.everything() == {("files", "a"): [1], ("files", "b"): 1}


def test_f76_the_text_of_statements_does_not_depend_on_what_is_asked(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "FORGET_SHARE", 1)
    device = Device(app)
    texts: set[str] = set()

    def note(_c: Any, _cursor: Any, statement: str, _p: Any, _x: Any, _many: bool) -> None:
        # Of other threads, at any time.
        if "pg_notify" not in statement and "nightferry_devices" not in statement:
            texts.add(statement)

    event.listen(state_of(app).store.engine, "before_cursor_execute", note)

    def ask(count: int, start: int) -> None:
        """Pushes and pulls about so many slices, with and without cursors."""
        slices = [f"s{start}x{i}" for i in range(count)]
        result = device.push(*(put(f"{i}", i, slice=name) for i, name in enumerate(slices)))
        version = result[0]["version"]
        page = device.pull(dict.fromkeys(slices), limit=2, mine=[version])
        some = {name: cursor for i, (name, cursor) in enumerate(page["cursors"].items()) if i % 2}
        device.pull(dict.fromkeys(slices) | some, mine=[version - i for i in range(count)])
        device.push(*(put(f"{i}", -i, version, slice=name) for i, name in enumerate(slices)))
        device.push(*(put(f"{i}", 7, version, slice=name) for i, name in enumerate(slices)))

    ask(3, 0)
    known = set(texts)
    for start, count in enumerate((4, 7, 20, 50, 199), start=1):
        ask(count, start)
    assert texts == known


def test_f76_the_slices_of_a_pull_are_bounded_and_the_error_names_the_limit(device: Device) -> None:
    refused = device.post("pull", device.pull_body({f"s{i}": None for i in range(wire.MAX_SLICES + 1)}))
    assert error_of(refused) == (413, "too_large")
    assert f"at most {wire.MAX_SLICES} slices" in refused.get_json()["error"]["message"]


def test_a_short_push_about_long_items_is_bounded_by_what_the_server_has_of_them(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 500 small changes may be in conflict with a value of 4 MiB, which the answer would have."""
    monkeypatch.setattr(rows, "MAX_BYTES_AT_ONCE", 2500)
    device = Device(app)
    device.push(*(put(id_, "x" * 998) for id_ in "abcd"))
    read: list[Any] = []
    body = Device(app, client="laptop").push_body(*(put(id_, 1) for id_ in "abcd"))
    with monkeypatch.context() as counting:
        counting.setattr(rows.StoredItem, "of", staticmethod(read.append))
        refused = Device(app).post("push", body)
    assert error_of(refused) == (413, "too_large")
    assert "2500 bytes" in refused.get_json()["error"]["message"]
    assert "fewer changes" in refused.get_json()["error"]["message"]
    assert [len(row.value) for row in read] == [1000] * 3
    # Half of it is answered.
    half = Device(app, client="laptop").post("push", body | {"mutations": body["mutations"][:2]})
    assert [r["status"] for r in half.get_json()["results"]] == ["conflict", "conflict"]


def test_a_path_that_no_item_can_have_is_refused_before_it_is_read(device: Device) -> None:
    """The path of a patch may be as long as the body: it is neither matched nor walked to its end."""
    [created] = device.push(put("a", {}))
    deep = {"op": "add", "path": "/a" * 101, "value": 1}
    [result] = device.push(patch("a", created["version"], deep))
    assert result["code"] == "invalid_patch"
    assert "100 levels" in result["message"]
    nested: Any = {}
    for _ in range(98):
        nested = {"a": nested}
    fits = {"op": "add", "path": "/a", "value": nested}
    [result] = device.push(patch("a", created["version"], fits))
    assert result["status"] == "applied"
    deepest = {"op": "add", "path": "/a" * 100, "value": 1}
    [result] = device.push(patch("a", result["version"], deepest))
    assert result["status"] == "applied"
