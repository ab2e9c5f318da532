"""Compare-and-set, answers by mutation, and pushes that are sent again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from conftest import Device, MakeApp, delete, error_of, patch, put
from flask import Flask


def test_f43_a_patch_has_1000_operations_at_most(device: Device) -> None:
    [created, _] = device.push(put("a", []), put("b", []))
    grow = {"op": "add", "path": "/-", "value": 0}
    results = device.push(
        patch("a", created["version"], *[grow] * 1001), patch("b", created["version"], *[grow] * 1000)
    )
    assert [r.get("code") for r in results] == ["invalid_patch", None]
    assert "1000" in results[0]["message"]


def statuses(results: list[dict[str, Any]]) -> list[str]:
    return [result["status"] for result in results]


def test_f14_ids_of_any_characters_stay_apart_end_to_end(app: Flask) -> None:
    ids = [
        "0",
        "00",
        "a:b",
        "a/b",
        "a?b",
        "a#b",
        "a%2Fb",
        "a%b",
        " ",
        "a b ",
        "a b",
        "../x",
        "日本語",
        "é",
        "e\u0301",
        "😀",
        "A",
        "a",
        "\0",
        "a\0b",
        "__proto__",
        "'; --",
        "x" * 1000,
        "日" * 333,
    ]
    phone, laptop = Device(app), Device(app, client="laptop")
    results = phone.push(*(put(id_, {"name": id_}) for id_ in ids))
    assert [(r["id"], r["status"]) for r in results] == [(id_, "applied") for id_ in ids]
    assert laptop.everything(limit=3) == {("files", id_): {"name": id_} for id_ in ids}

    version = results[0]["version"]
    laptop.push(*(delete(id_, version) for id_ in ids if id_ != "0"))
    assert phone.everything() == {("files", "0"): {"name": "0"}}


def test_ids_and_slices_out_of_bounds_are_rejected_alone(device: Device) -> None:
    results = device.push(
        put("", 1),
        put("x" * 1001, 1),
        put("日" * 334, 1),
        put("a", 1, slice="1files"),
        put("a", 1),
        put("b", 1),
    )
    assert [r.get("code") for r in results] == [
        "invalid_id",
        "invalid_id",
        "invalid_id",
        "invalid_slice",
        None,
        None,
    ]
    assert "1000 bytes" in results[1]["message"]
    assert set(device.everything()) == {("files", "a"), ("files", "b")}


def test_a_base_is_compared_and_set(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    [created] = phone.push(put("a", {"n": 1}))
    [changed] = laptop.push(put("a", {"n": 2}, base=created["version"], at=2000))
    assert changed["version"] > created["version"]
    [stale] = phone.push(put("a", {"n": 3}, base=created["version"]))
    assert stale == {
        "slice": "files",
        "id": "a",
        "status": "conflict",
        "version": changed["version"],
        "value": {"n": 2},
        "at": 2000,
        "by": {"user": "ann"},
    }
    assert laptop.everything() == {("files", "a"): {"n": 2}}


def test_f29_an_equal_put_applies_whatever_the_base_and_changes_nothing(device: Device) -> None:
    [created] = device.push(put("a", {"x": 1, "y": [1.0, True]}))
    for base in (None, created["version"]):
        [again] = device.push(put("a", {"y": [1, True], "x": 1.0}, base=base))
        assert (again["status"], again["version"]) == ("applied", created["version"])
    [other] = device.push(put("a", {"y": [1, 1], "x": 1}))
    assert other["status"] == "conflict"  # true is not 1


def test_a_repeated_delete_applies_whatever_the_base(device: Device) -> None:
    [created] = device.push(put("a", 1))
    [deleted] = device.push(delete("a", created["version"]))
    for base in (None, created["version"], deleted["version"]):
        [again] = device.push(delete("a", base))
        assert (again["status"], again["version"]) == ("applied", deleted["version"])
    [unheard] = device.push(delete("never there", None))
    assert unheard["status"] == "applied"


def test_a_delete_against_an_edit_is_a_conflict(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    [created] = phone.push(put("a", 1))
    [edited] = laptop.push(put("a", 2, base=created["version"]))
    [conflict] = phone.push(delete("a", created["version"]))
    assert (conflict["status"], conflict["value"], conflict["version"]) == ("conflict", 2, edited["version"])
    [deleted] = laptop.push(delete("a", edited["version"]))
    [conflict] = phone.push(put("a", 3, base=edited["version"]))
    assert (conflict["status"], conflict["deleted"], conflict["version"]) == (
        "conflict",
        True,
        deleted["version"],
    )


def test_a_null_base_applies_neither_on_a_value_nor_on_a_tombstone(device: Device) -> None:
    [created] = device.push(put("a", 1))
    [conflict] = device.push(put("a", 2))
    assert (conflict["status"], conflict["value"]) == ("conflict", 1)
    [deleted] = device.push(delete("a", created["version"]))
    [conflict] = device.push(put("a", 3))
    assert (conflict["status"], conflict["version"]) == ("conflict", deleted["version"])
    assert (conflict["deleted"], conflict["own"]) == (True, True)
    [again] = device.push(put("a", 3, base=conflict["version"]))
    assert again["status"] == "applied"
    assert device.everything() == {("files", "a"): 3}


def test_a_base_with_no_row_is_a_conflict_with_a_deletion(device: Device) -> None:
    [other] = device.push(put("a", 1))
    for mutation in (put("b", 1, base=other["version"]), patch("b", other["version"])):
        [result] = device.push(mutation)
        assert result == {
            "slice": "files",
            "id": "b",
            "status": "conflict",
            "version": None,
            "deleted": True,
            "at": 0,
        }


def test_a_patch_applies_to_its_base_alone(device: Device) -> None:
    [v1] = device.push(put("a", {"name": "x", "tags": ["a", "b"], "gone": 1, "a/b": {"~": 0}}))
    [v2] = device.push(
        patch(
            "a",
            v1["version"],
            {"op": "replace", "path": "/name", "value": "y"},
            {"op": "add", "path": "/tags/1", "value": {"id": 1}},
            {"op": "add", "path": "/tags/-", "value": None},
            {"op": "remove", "path": "/gone"},
            {"op": "replace", "path": "/a~1b/~0", "value": 1.0},
        )
    )
    assert v2["status"] == "applied"
    now = {"name": "y", "tags": ["a", {"id": 1}, "b", None], "a/b": {"~": 1}}
    assert device.everything() == {("files", "a"): now}
    [stale] = device.push(patch("a", v1["version"], {"op": "remove", "path": "/name"}))
    assert (stale["status"], stale["value"]) == ("conflict", now)
    [same] = device.push(patch("a", v2["version"], {"op": "replace", "path": "/name", "value": "y"}))
    assert (same["status"], same["version"]) == ("applied", v2["version"])
    [root] = device.push(patch("a", v2["version"], {"op": "replace", "path": "", "value": [1]}))
    assert root["status"] == "applied"
    assert device.everything() == {("files", "a"): [1]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/name", "value": "x"},
        {"op": "move", "from": "/name", "path": "/b"},
        {"op": "copy", "from": "/name", "path": "/b"},
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "replace", "path": "/tags/-", "value": 1},
        {"op": "add", "path": "/tags/9", "value": 1},
        {"op": "add", "path": "/tags/-1", "value": 1},
        {"op": "add", "path": "/tags/01", "value": 1},
        {"op": "add", "path": "/name/0", "value": 1},
        {"op": "remove", "path": "/name/0"},
        {"op": "add", "path": "/none/deeper", "value": 1},
        {"op": "add", "path": "name", "value": 1},
        {"op": "add", "path": "/~2", "value": 1},
        {"op": "add", "path": "/b"},
        {"op": "remove", "path": ""},
        {"op": ["add"], "path": "/b"},
        "remove",
        None,
    ],
)
def test_a_patch_that_does_not_fit_is_rejected_alone(device: Device, operation: Any) -> None:
    value = {"name": "x", "tags": ["a"]}
    [created] = device.push(put("a", value))
    results = device.push(patch("a", created["version"], operation), put("b", 1))
    assert [r.get("code") for r in results] == ["invalid_patch", None]
    assert device.everything() == {("files", "a"): value, ("files", "b"): 1}


@pytest.mark.parametrize(
    "bad",
    [
        {"op": "rename"},
        {"op": "put", "base": 1.5},
        {"op": "put", "base": -1},
        {"op": "put", "base": True},
        {"op": "put", "base": "1"},
        {"op": "put", "at": None},
        {"op": "put", "at": "now"},
        {"op": "patch", "base": None, "patch": []},
    ],
)
def test_a_bad_mutation_is_rejected_alone(device: Device, bad: dict[str, Any]) -> None:
    results = device.push(put("a", 1) | bad, put("b", 1))
    assert [r.get("code") for r in results] == ["invalid_mutation", None]
    assert all(r["message"].endswith(".") for r in results if r["status"] == "rejected")
    without = {key: value for key, value in put("a", 1).items() if key != "value"}
    [result] = device.push(without)
    assert result["code"] == "invalid_mutation"
    [result] = device.push({key: value for key, value in put("a", 1).items() if key != "base"})
    assert result["code"] == "invalid_mutation"


def test_a_push_has_one_version_near_the_clock(device: Device) -> None:
    before = time.time_ns() // 1_000_000
    results = device.push(put("a", 1), put("b", 1), put("c", 1))
    after = time.time_ns() // 1_000_000
    [version] = {result["version"] for result in results}
    assert before <= version // 1024 <= after + 1
    assert version < 2**53
    [later] = device.push(put("d", 1))
    assert later["version"] > version


def test_times_of_the_future_are_lowered(device: Device) -> None:
    device.push(put("a", 1, at=2**53 - 1), put("b", 1, at=7))
    now = time.time_ns() // 1_000_000
    a, b = device.pull()["changes"]
    assert now - 60_000 < a["at"] <= now
    assert b["at"] == 7


def test_a_lost_answer_is_given_again_and_nothing_twice(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    [base] = phone.push(put("edited", 0))
    body = phone.push_body(
        put("a", 1),
        put("edited", 1, base=base["version"]),
        put("edited too", 1, base=base["version"]),
        put("", 1),
    )
    first = phone.post("push", body).get_json()
    assert statuses(first["results"]) == ["applied", "applied", "conflict", "rejected"]
    # Meanwhile another device goes on with what the lost answer was about.
    laptop.push(put("a", 2, base=first["results"][0]["version"]), put("edited too", 5))
    assert phone.post("push", body).get_json() == first
    assert laptop.everything()[("files", "a")] == 2


def test_parts_of_a_push_are_answered_the_same_and_new_items_are_added(device: Device) -> None:
    mutations = [put(id_, 1) for id_ in "abcd"]
    body = device.push_body(*mutations)
    half = device.post("push", body | {"mutations": mutations[:2]}).get_json()["results"]
    again = device.post("push", body | {"mutations": mutations[1:2]}).get_json()["results"]
    assert again == half[1:]
    complete = device.post("push", body).get_json()["results"]
    assert (complete[:2], statuses(complete)) == (half, ["applied"] * 4)
    assert complete[2]["version"] > half[0]["version"]
    assert device.post("push", body | {"mutations": mutations[2:]}).get_json()["results"] == complete[2:]
    assert device.pull()["total"] == 4


def test_a_copy_of_a_client_is_told_so_before_any_effect(device: Device) -> None:
    device.push(put("a", 1))
    body = device.push_body(put("b", 1))
    device.post("push", body)
    for copied in (body | {"tag": "other"}, body | {"n": 1, "tag": "tag-1"}, body | {"n": 0, "tag": "tag-2"}):
        refused = device.post("push", copied | {"mutations": [put("c", 1)]})
        assert error_of(refused) == (409, "client_forked")
    assert set(device.everything()) == {("files", "a"), ("files", "b")}
    assert device.post("push", body | {"n": 9, "tag": "gap"}).status_code == 200


def test_clients_belong_to_their_principal(app: Flask) -> None:
    ann, bob, other = Device(app), Device(app, user="bob"), Device(app, tenant="other")
    for device in (ann, bob, other):
        [result] = device.push(put(device.principal, 1), tag=f"tag of {device.principal}".replace(" ", "-"))
        assert result["status"] == "applied"
    assert set(ann.everything()) == {("files", "acme/ann"), ("files", "acme/bob")}
    assert set(other.everything()) == {("files", "other/ann")}


def test_a_push_holds_one_mutation_of_an_item_and_500_at_most(device: Device) -> None:
    refused = device.post("push", device.push_body(put("a", 1), put("b", 1), put("a", 2)))
    assert error_of(refused) == (400, "invalid_request")
    assert "mutations[2]" in refused.get_json()["error"]["message"]
    refused = device.post("push", device.push_body(*(put(str(i), 1) for i in range(501))))
    assert error_of(refused) == (413, "too_large")
    assert "500" in refused.get_json()["error"]["message"]
    assert device.everything() == {}
    assert len(device.push(*(put(str(i), 1) for i in range(500)))) == 500
    assert len(device.everything()) == 500


def test_wrong_principal_before_any_effect(device: Device) -> None:
    body = device.push_body(put("a", 1))
    refused = device.post("push", body | {"principal": "acme/bob"})
    assert error_of(refused) == (403, "wrong_principal")
    assert error_of(device.post("push", body | {"principal": None})) == (400, "principal_required")
    del body["principal"]
    assert error_of(device.post("push", body)) == (400, "principal_required")
    assert device.everything() == {}
    wrong = device.pull_body({"files": None}, principal="ann")
    assert error_of(device.post("pull", wrong)) == (403, "wrong_principal")


def test_another_user_than_the_signed_in_one_is_the_wrong_principal(device: Device) -> None:
    push, pull = device.push_body(put("a", 1)), device.pull_body({})
    first = {key: value for key, value in pull.items() if key != "principal"}
    for path, body in (("push", push), ("pull", pull), ("pull", first)):
        assert error_of(device.post(path, body | {"user": "bob"})) == (403, "wrong_principal")
        assert error_of(device.post(path, body | {"user": "acme/ann"})) == (403, "wrong_principal")
        assert error_of(device.post(path, body | {"user": 1})) == (400, "invalid_request")
    assert device.everything() == {}
    for path, body in (("push", push), ("pull", pull), ("pull", first)):
        assert device.post(path, body | {"user": "ann"}).status_code == 200
        assert device.post(path, body | {"user": None}).status_code == 200


def test_a_version_the_server_does_not_know_is_another_history(device: Device) -> None:
    [created] = device.push(put("a", 1))
    unknown = created["version"] + 5000 * 1024
    refused = device.post("push", device.push_body(put("b", 1), put("a", 2, base=unknown)))
    assert error_of(refused) == (410, "history_changed")
    refused = device.post("push", device.push_body(put("b", 1), put("c", 2, base=created["version"] - 1)))
    assert error_of(refused) == (410, "history_changed")
    assert device.everything() == {("files", "a"): 1}


def test_slices_that_the_server_does_not_take_are_refused_alone(
    make_app: MakeApp,
) -> None:
    device = Device(make_app(NIGHTFERRY_SLICES=["files", "notes"]))
    taken, refused, other = device.push(
        put("a", 1), put("a", 1, slice="typo"), put("a", 1, slice="notes"), answered=None
    )
    assert (taken["status"], other["status"]) == ("applied", "applied")
    assert refused["message"].startswith("This server does not take the slice typo.")
    assert refused == {
        "slice": "typo",
        "id": "a",
        "status": "rejected",
        "code": "unknown_slice",
        "message": refused["message"],
        "version": None,
        "deleted": True,
        "at": 0,
    }
    assert device.everything("files", "notes", "typo") == {("files", "a"): 1, ("notes", "a"): 1}


def test_a_slice_that_was_taken_off_the_list_is_read_and_not_written(make_app: MakeApp) -> None:
    [created] = Device(make_app()).push(put("a", 1))
    device = Device(make_app(NIGHTFERRY_SLICES=[]), client="later")
    [refused] = device.push(put("a", 2, base=created["version"]))
    # The server's side is in it, so the device can go back to it.
    assert (refused["code"], refused["value"]) == ("unknown_slice", 1)
    assert device.everything() == {("files", "a"): 1}


def test_a_push_of_a_slice_that_is_put_on_the_list_is_taken_when_it_is_tried_anew(make_app: MakeApp) -> None:
    device = Device(make_app(NIGHTFERRY_SLICES=["notes"]))
    assert device.push(put("a", 1))[0]["code"] == "unknown_slice"
    again = Device(make_app(NIGHTFERRY_SLICES=["notes", "files"]))
    again.n = device.n
    assert again.push(put("a", 1))[0]["status"] == "applied"
