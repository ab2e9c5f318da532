"""Pages, cursors, own changes, and cursors of another history."""

from __future__ import annotations

import base64

import pytest
from conftest import Device, delete, error_of, put
from flask import Flask
from sqlalchemy import delete as sql_delete
from sqlalchemy import update

from flask_nightferry import pull, schema
from flask_nightferry.cursors import Cursor
from flask_nightferry.state import state_of


def names(page: dict) -> list[str]:  # type: ignore[type-arg]
    return [change["id"] for change in page["changes"]]


def test_a_device_learns_its_principal_from_a_pull_of_nothing(app: Flask) -> None:
    device = Device(app, user="ann/1", tenant="ac%me")
    body = device.pull_body({})
    del body["principal"]
    page = device.post("pull", body).get_json()
    assert page == {
        "protocol": 1,
        "principal": "ac%25me/ann%2F1",
        "version": None,
        "cursors": {},
        "more": False,
        "total": 0,
        "changes": [],
    }


@pytest.mark.parametrize("limit", range(1, 8))
def test_pages_follow_version_slice_and_id(app: Flask, limit: int) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    phone.push(put("b", 1), put("a", 1), put("z", 1, slice="alpha"), put("a", 1, slice="zeta"))
    phone.push(put("c", 2), put("y", 2, slice="alpha"))
    cursors: dict[str, str | None] = {"files": None, "alpha": None, "zeta": None}
    seen = []
    totals = []
    for _ in range(10):
        page = laptop.pull(cursors, limit=limit)
        seen += [(c["slice"], c["id"]) for c in page["changes"]]
        totals.append(page.get("total"))
        cursors = page["cursors"]
        if not page["more"]:
            break
    expected = [("alpha", "z"), ("files", "a"), ("files", "b"), ("zeta", "a"), ("alpha", "y"), ("files", "c")]
    assert seen == expected
    assert totals == [6] + [None] * (len(totals) - 1)
    assert len(totals) == -(-6 // limit)
    page = laptop.pull(cursors)
    assert (page["changes"], page["more"], page["total"]) == ([], False, 0)


def test_a_page_names_the_newest_version_that_it_was_made_against(app: Flask) -> None:
    phone, laptop, stranger = Device(app), Device(app, client="laptop"), Device(app, tenant="other")
    stranger.push(put("a", 1))
    assert phone.pull()["version"] is None
    [one] = phone.push(put("a", 1))
    [two] = phone.push(put("b", 1, slice="models"))
    assert one["version"] < two["version"]
    # The tenant's, whatever slices are asked for, whatever is left out, on every page.
    page = laptop.pull({"files": None}, limit=1, mine=[two["version"]])
    assert page["version"] == two["version"]
    assert laptop.pull({})["version"] == two["version"]
    phone.push(put("a", 1, base=one["version"]), put("", 1))  # without effect
    assert laptop.pull(page["cursors"])["version"] == two["version"]


def test_a_change_between_two_pages_is_not_skipped(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    [created, *_] = phone.push(*(put(id_, 1) for id_ in "abc"))
    page = laptop.pull({"files": None}, limit=2)
    phone.push(put("a", 2, base=created["version"]), delete("b", created["version"]))
    rest = laptop.pull(page["cursors"])
    assert [(c["id"], c.get("value"), c.get("deleted")) for c in rest["changes"]] == [
        ("c", 1, None),
        ("a", 2, None),
        ("b", None, True),
    ]


def test_a_slice_pulled_later_starts_at_its_beginning(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    phone.push(put("a", 1), put("m", 1, slice="models"))
    cursor = laptop.pull({"files": None})["cursors"]["files"]
    page = laptop.pull({"files": cursor, "models": None})
    assert [(c["slice"], c["id"]) for c in page["changes"]] == [("models", "m")]


def test_every_change_comes_with_its_value_and_its_writer(app: Flask) -> None:
    phone, laptop, bob = Device(app), Device(app, client="laptop"), Device(app, user="bob")
    cursor = phone.pull()["cursors"]
    [created] = phone.push(put("a", 1))
    phone.push(put("b", 2))
    phone.push(delete("a", created["version"]))
    for start in ({"files": None}, cursor):
        assert [(c["id"], c.get("value"), c["own"], "by" in c) for c in phone.pull(start)["changes"]] == [
            ("b", 2, True, False),
            ("a", None, True, False),
        ]
        # `bob` has a client of the same name.
        for other in (laptop, bob):
            changes = other.pull(start)["changes"]
            assert [(c["id"], c.get("value"), c["by"]) for c in changes] == [
                ("b", 2, {"user": "ann"}),
                ("a", None, {"user": "ann"}),
            ]
            assert all("own" not in change for change in changes)


def test_changes_of_the_versions_in_mine_are_left_out(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    cursor = phone.pull()["cursors"]
    mine = [phone.push(put(id_, id_), put(f"{id_}{id_}", id_))[0]["version"] for id_ in "abc"]
    [changed] = laptop.push(put("a", 0, base=mine[0]))
    page = phone.pull(cursor, mine=mine[:2])
    assert names(page) == ["c", "cc", "a"]
    assert (page["total"], page["more"]) == (3, False)
    # They neither fill pages nor are counted, and the cursor goes beyond them.
    page = phone.pull(cursor, mine=[*mine, 7], limit=1)
    assert (names(page), page["total"], page["more"]) == (["a"], 1, False)
    assert phone.pull(page["cursors"])["changes"] == []
    assert phone.pull(cursor, mine=[*mine, changed["version"]])["changes"] == []


def test_a_pull_from_the_beginning_leaves_nothing_out(app: Flask) -> None:
    phone = Device(app)
    mine = [phone.push(put(id_, id_))[0]["version"] for id_ in "abc"]
    page = phone.pull(mine=mine, limit=2)
    assert names(page) == ["a", "b"]
    later = phone.push(put("d", 1))[0]["version"]
    assert names(phone.pull(page["cursors"], mine=[*mine, later])) == ["c"]


def test_mine_holds_1000_versions_at_most(device: Device) -> None:
    many = list(range(1001))
    device.push(put("a", 1))
    assert error_of(device.post("pull", device.pull_body({}, mine=many))) == (413, "too_large")
    cursor = device.pull()["cursors"]
    device.push(put("b", 1))
    assert device.pull(cursor, mine=[2**53 - 1, *many[1:1000]])["total"] == 1
    for bad in ("1", {}, [None], [-1], ["1"], [1.5], [True]):
        assert error_of(device.post("pull", device.pull_body({}, mine=bad))) == (400, "invalid_request")


def test_a_page_ends_at_its_size(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "PAGE_BYTES", 100)
    device = Device(app)
    device.push(*(put(id_, "x" * 90) for id_ in "abc"))
    page = Device(app, client="laptop").pull()
    assert (names(page), page["more"], page["total"]) == (["a", "b"], True, 3)


def test_limits_of_a_pull(device: Device) -> None:
    for limit in (0, -1, 1.5, "1", True):
        assert error_of(device.post("pull", device.pull_body({}, limit=limit))) == (400, "invalid_request")
    many = {f"s{i}": None for i in range(201)}
    assert error_of(device.post("pull", device.pull_body(many))) == (413, "too_large")
    assert device.post("pull", device.pull_body({f"s{i}": None for i in range(200)})).status_code == 200
    assert error_of(device.post("pull", device.pull_body({"a b": None}))) == (400, "invalid_request")
    assert error_of(device.post("pull", device.pull_body({"a": 1}))) == (400, "invalid_request")  # type: ignore[dict-item]


def test_a_cursor_of_another_history_is_told_so(device: Device) -> None:
    device.push(put("a", 1))
    behind = device.pull()["cursors"]["files"]
    device.push(put("b", 1))
    ahead = device.pull()["cursors"]["files"]
    with state_of(device.http.application).store.write() as connection:  # restored from a backup
        for table in (schema.items, schema.versions, schema.clients, schema.answers):
            connection.execute(sql_delete(table))
        connection.execute(update(schema.tenants).values(last_version=0))
    for cursor in (behind, ahead):
        assert error_of(device.post("pull", device.pull_body({"files": cursor}))) == (410, "history_changed")
    assert device.pull()["changes"] == []


def test_a_cursor_behind_the_horizon_has_expired(device: Device) -> None:
    device.push(put("a", 1))
    old = device.pull()["cursors"]["files"]
    [latest] = device.push(put("b", 1))
    new = device.pull()["cursors"]["files"]
    with state_of(device.http.application).store.write() as connection:
        connection.execute(update(schema.tenants).values(forgotten_through=latest["version"] - 1))
        connection.execute(sql_delete(schema.versions).where(schema.versions.c.version < latest["version"]))
    assert error_of(device.post("pull", device.pull_body({"files": old}))) == (410, "cursor_expired")
    assert device.pull({"files": new})["changes"] == []


def test_a_410_names_the_slices_of_the_cursors_at_fault(device: Device) -> None:
    def refused(slices: dict[str, str | None]) -> tuple[str, list[str]]:
        response = device.post("pull", device.pull_body(slices))
        assert error_of(response)[0] == 410
        error = response.get_json()["error"]
        return error["code"], error["slices"]

    device.push(put("a", 1))
    old = device.pull()["cursors"]["files"]
    [latest] = device.push(put("b", 1))
    good = device.pull()["cursors"]["files"]
    with state_of(device.http.application).store.write() as connection:
        connection.execute(update(schema.tenants).values(forgotten_through=latest["version"] - 1))
        connection.execute(sql_delete(schema.versions).where(schema.versions.c.version < latest["version"]))
    lost = Cursor(latest["version"] + 1, None).text()
    assert refused({"z": lost, "fine": good, "new": None, "a": lost}) == ("history_changed", ["a", "z"])
    assert refused({"z": old, "fine": good, "a": "?", "b": old}) == ("cursor_expired", ["a", "b", "z"])
    assert refused({"fine": good, "a": "?"}) == ("cursor_expired", ["a"])
    # What a rebuild after `history_changed` keeps, one after `cursor_expired` might delete.
    assert refused({"z": old, "fine": good, "a": lost, "b": "?"}) == ("history_changed", ["a"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "é",
        "null",
        base64.urlsafe_b64encode(b"[1,2]").decode(),
        base64.urlsafe_b64encode(b'[2,0,"",0,0]').decode(),
        base64.urlsafe_b64encode(b'[1,"0","",0,0]').decode(),
        base64.urlsafe_b64encode(b'[1,0,"\\ud800",0,0]').decode(),
        base64.urlsafe_b64encode(b"[" * 9000).decode(),
        base64.urlsafe_b64encode(b"[1,1" + b"0" * 5000 + b',"",0,0]').decode(),
        "A" * 100_000,
    ],
)
def test_a_cursor_that_can_not_be_read_makes_the_client_start_again(device: Device, text: str) -> None:
    assert error_of(device.post("pull", device.pull_body({"files": text}))) == (410, "cursor_expired")


def test_a_cursor_with_a_huge_version_is_no_fault_of_the_server(device: Device) -> None:
    for version in (2**53, 2**63, 2**100):
        response = device.post("pull", device.pull_body({"files": Cursor(version, None).text()}))
        assert response.status_code == 410


def test_a_cursor_carries_the_longest_id(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    ids = ["日" * 333, "\1" * 1000, "x" * 1000]
    phone.push(*(put(id_, 1) for id_ in ids))
    assert set(laptop.everything(limit=1)) == {("files", id_) for id_ in ids}
