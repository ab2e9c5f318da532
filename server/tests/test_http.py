"""What the API makes of bad, large, hostile and half-broken requests, and of its own faults."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Device, MakeApp, error_of, golden, put, sqlite_only
from flask import Flask

from flask_nightferry import Nightferry, store, strict_json, wire
from flask_nightferry.schema import items
from flask_nightferry.state import state_of

LIMIT = wire.MAX_BODY_BYTES


def with_value(device: Device, text: str) -> str:
    """A push of the item `a`, whose value is this JSON text, and of a good item beside it."""
    body = json.dumps(device.push_body(put("a", "VALUE"), put("good", 1)))
    return body.replace('"VALUE"', text)


@pytest.mark.parametrize(
    "case", golden("values.json")["refused"], ids=lambda case: f"{case['reason']} {case['text'][:20]}"
)
def test_f40_what_is_not_strict_json_never_gets_in(device: Device, case: dict[str, Any]) -> None:
    response = device.raw("push", with_value(device, case["text"]).encode())
    if case["reason"] == "syntax":
        assert error_of(response) == (400, "invalid_json")
        assert device.everything() == {}
        return
    bad, good = response.get_json()["results"]
    assert (bad["status"], bad["code"], good["status"]) == ("rejected", "invalid_value", "applied")
    assert f"value{case['path']}"[:200] in bad["message"]
    assert device.everything() == {("files", "good"): 1}


@pytest.mark.parametrize("case", golden("values.json")["accepted"], ids=lambda case: case["text"][:20])
def test_f40_what_is_strict_json_comes_out_as_it_went_in(device: Device, case: dict[str, Any]) -> None:
    response = device.raw("push", with_value(device, case["text"]).encode())
    assert [r["status"] for r in response.get_json()["results"]] == ["applied", "applied"]
    found = device.everything()[("files", "a")]
    assert strict_json.same(found, strict_json.checked(strict_json.parse(case["equals"])))


def test_f40_a_stored_nan_stops_no_pull_and_no_push(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    device.push(put("a", 1), put("b", 2), put("c", 3))
    with state_of(device.http.application).store.write() as connection:
        connection.execute(items.update().where(items.c.id == "a").values(value="NaN"))
    for limit in (1, 2, 3, 500):
        assert device.everything(limit=limit) == {("files", "b"): 2, ("files", "c"): 3}
    assert "not strict JSON" in caplog.text
    [a, b] = device.push(put("a", 5), put("d", 1))
    assert (a["status"], a["code"], b["status"]) == ("rejected", "unreadable", "applied")


def test_f40_deep_nesting_is_a_client_error(device: Device) -> None:
    for depth in (101, 150, 5_000, 1_000_000):
        response = device.raw("push", with_value(device, "[" * depth + "]" * depth))
        assert response.status_code in (200, 400)
        if response.status_code == 200:
            assert response.get_json()["results"][0]["code"] == "invalid_value"
    refused = device.raw("push", "[" * 1_000_000)
    assert error_of(refused) == (400, "invalid_json")
    assert error_of(device.raw("push", '{"a":' * 1_000_000)) == (400, "invalid_json")


BAD_BODIES: list[tuple[bytes, str]] = [
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b"\xff\xfe", "invalid_json"),
    (b'{"client":"\xed\xa0\x80"}', "invalid_json"),
    (b"\xef\xbb\xbf{}", "invalid_json"),
    (b'{"protocol":1,"protocol":1}', "invalid_json"),
    (b'{"__proto__":{"protocol":1}}', "invalid_json"),
    (b'{"a":NaN}', "invalid_json"),
    (b"null", "invalid_request"),
    (b"[]", "invalid_request"),
    (b"1", "invalid_request"),
    (b'"x"', "invalid_request"),
    (b"{}", "invalid_request"),
    (b'{"protocol":"1"}', "invalid_request"),
    (b'{"protocol":true}', "invalid_request"),
    (b'{"protocol":1e999}', "invalid_request"),
    (b'{"protocol":2}', "unsupported_protocol"),
    (b'{"protocol":0,"client":7}', "unsupported_protocol"),
]


@pytest.mark.parametrize(("body", "code"), BAD_BODIES)
@pytest.mark.parametrize("path", ["push", "pull"])
def test_f41_a_bad_body_is_a_client_error(device: Device, path: str, body: bytes, code: str) -> None:
    response = device.raw(path, body)
    assert error_of(response) == (400, code)
    error = response.get_json()["error"]
    assert error["retryable"] is False
    assert error["message"].endswith(".")


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": None},
        {"client": 7},
        {"client": ""},
        {"client": "a b"},
        {"client": "é"},
        {"client": "x" * 101},
        {"client": ["x"]},
        {"principal": 7},
        {"n": None},
        {"n": -1},
        {"n": 1.5},
        {"n": "1"},
        {"n": True},
        {"n": 2**53},
        {"n": 10**30},
        {"device": 7},
        {"device": ""},
        {"device": "x" * 101},
        {"device": "a\nb"},
        {"device": "a\0"},
        {"device": "a\x7f"},
        {"device": "a\x85"},
        {"tag": None},
        {"tag": {}},
        {"mutations": None},
        {"mutations": {}},
        {"mutations": "x"},
        {"mutations": [None]},
        {"mutations": ["x"]},
        {"mutations": [[]]},
        {"mutations": [{}]},
        {"mutations": [{"slice": "files"}]},
        {"mutations": [{"slice": 7, "id": "a"}]},
        {"mutations": [{"slice": "files", "id": 7}]},
        {"mutations": [{"slice": "files", "id": None}]},
    ],
)
def test_f41_a_push_of_the_wrong_form_is_a_client_error(device: Device, wrong: dict[str, Any]) -> None:
    assert error_of(device.post("push", device.push_body(put("a", 1)) | wrong)) == (400, "invalid_request")
    assert device.everything() == {}


@pytest.mark.parametrize(
    "slices", [None, [], "files", 7, {"files": 7}, {"files": {}}, {"": None}, {"é": None}]
)
def test_f41_a_pull_of_the_wrong_form_is_a_client_error(device: Device, slices: Any) -> None:
    assert error_of(device.post("pull", device.pull_body({}) | {"slices": slices})) == (
        400,
        "invalid_request",
    )


@pytest.mark.parametrize("wrong", [7, "", "x" * 101, "a\tb", ["x"]])
def test_f41_a_pull_with_a_bad_device_is_a_client_error(device: Device, wrong: Any) -> None:
    response = device.post("pull", device.pull_body({}, device=wrong))
    assert error_of(response) == (400, "invalid_request")
    assert "100 characters" in response.get_json()["error"]["message"] or wrong in (7, ["x"])


def test_a_device_has_any_name_of_100_characters(app: Flask) -> None:
    phone, laptop = Device(app), Device(app, client="laptop")
    for number, name in enumerate(("😀" * 100, "日本", ' Ann’s "phone" ', "a\ud800b", None)):
        phone.push(put(str(number), 1), device=name)
    assert [change["by"].get("device") for change in laptop.pull()["changes"]] == [
        "😀" * 100,
        "日本",
        ' Ann’s "phone" ',
        "a\ufffdb",
        None,
    ]


def test_f41_unknown_addresses_and_methods_are_json(device: Device) -> None:
    http = device.http
    for address in (
        "/nightferry/",
        "/nightferry/nothing",
        "/nightferry/push/",
        "/nightferry/a/b",
        "/nightferry/%2e%2e",
    ):
        assert error_of(http.get(address)) == (404, "not_found")
    for method, address, allowed in (
        ("GET", "push", "OPTIONS, POST"),
        ("PUT", "pull", "OPTIONS, POST"),
        ("POST", "health", "GET, HEAD, OPTIONS"),
        ("DELETE", "sw.js", "GET, HEAD, OPTIONS"),
        ("BREW", "push", "OPTIONS, POST"),
    ):
        response = http.open(f"/nightferry/{address}", method=method)
        assert error_of(response) == (405, "method_not_allowed")
        assert response.headers["Allow"] == allowed
    assert not http.get("/elsewhere").is_json  # the app's own


def test_f41_the_protocol_error_says_what_to_do(device: Device) -> None:
    response = device.raw("pull", b'{"protocol":2}')
    assert response.get_json() == golden("error-unsupported-protocol.json")["message"]


@pytest.fixture
def locked(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """A device of an app whose database another program holds locked."""
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 50)
    device = Device(app)
    device.push(put("a", 1))
    state_of(app).store.engine.dispose()
    other = sqlite3.connect(str(state_of(app).config.database_url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield device
    other.close()


@sqlite_only
def test_f42_a_locked_database_is_503_and_tells_nothing(
    locked: Device, caplog: pytest.LogCaptureFixture
) -> None:
    response = locked.post("push", locked.push_body(put("b", 1)))
    assert error_of(response) == (503, "unavailable")
    assert response.headers["Retry-After"] == "2"
    assert response.get_json() == golden("error-unavailable.json")["message"]
    assert "locked" in caplog.text
    assert locked.pull()["total"] == 1  # reading goes on


@sqlite_only
@pytest.mark.parametrize("ruin", ["drop", "garbage", "folder"])
def test_f42_nothing_internal_in_any_answer(
    app: Flask, tmp_path: Path, ruin: str, caplog: pytest.LogCaptureFixture
) -> None:
    device = Device(app)
    device.push(put("a", 1))
    state = state_of(app)
    file = Path(str(state.config.database_url.database))
    state.store.engine.dispose()
    if ruin == "drop":
        with sqlite3.connect(file) as database:
            database.execute("DROP TABLE nightferry_items")
        database.close()
    for beside in file.parent.glob(f"{file.name}*") if ruin != "drop" else ():
        beside.unlink()
    if ruin == "garbage":
        file.write_bytes(b"no database " * 1000)
    if ruin == "folder":
        file.mkdir()
    for response in (
        device.post("push", device.push_body(put("b", 1))),
        device.post("pull", device.pull_body({"files": None})),
    ):
        status, code = error_of(response)
        assert (status, code) in [(500, "internal"), (503, "unavailable")]
        assert response.get_json()["error"]["retryable"] is True
        for secret in (str(tmp_path), "sqlite", "SELECT", "nightferry_items", "Traceback", ".py", "Error"):
            assert secret not in response.text
    assert caplog.records


def test_f42_a_fault_of_the_code_tells_nothing(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_request: Any) -> Any:
        raise ValueError("secret of /var/lib/app")

    for flags in ({}, {"DEBUG": True}, {"TESTING": True}):
        app = make_app(Nightferry(authenticate=broken), **flags)
        response = Device(app).post("push", {})
        assert error_of(response) == (500, "internal")
        assert response.get_json() == golden("error-internal.json")["message"]
    assert "secret of /var/lib/app" in caplog.text


def test_f42_health_tells_nothing(app: Flask) -> None:
    response = app.test_client().get("/nightferry/health")
    assert set(response.get_json()) == {"protocol", "status"}


def test_f43_a_body_over_the_limit_is_413_and_names_it(device: Device) -> None:
    for data in (b" " * (LIMIT + 1), gzip.compress(b" " * (LIMIT + 1))):
        encoding = {"Content-Encoding": "gzip"} if data[:2] == b"\x1f\x8b" else {}
        response = device.raw("push", data, **encoding)
        assert error_of(response) == (413, "too_large")
        assert str(LIMIT) in response.get_json()["error"]["message"]
    assert error_of(device.raw("push", b" " * LIMIT)) == (400, "invalid_json")


def test_f43_a_bomb_costs_no_more_than_the_limit(device: Device) -> None:
    deflater = zlib.compressobj(9, wbits=31)
    zeros = b" " * (1024 * 1024)
    bomb = b"".join(deflater.compress(zeros) for _ in range(1024)) + deflater.flush()
    assert len(bomb) < LIMIT
    tracemalloc.start()
    response = device.raw("push", bomb, Content_Encoding="gzip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error_of(response) == (413, "too_large")
    assert peak < 4 * LIMIT


def test_f43_a_body_without_a_length_is_limited_too(device: Device) -> None:
    class Endless:
        read_bytes = 0

        def read(self, size: int = -1) -> bytes:
            self.read_bytes += size
            assert self.read_bytes < 2 * LIMIT
            return b" " * size

    stream = Endless()
    response = device.http.post(
        "/nightferry/push",
        headers=device.headers | {"Content-Type": "application/json"},
        environ_overrides={"wsgi.input": stream, "wsgi.input_terminated": True},
    )
    assert error_of(response) == (413, "too_large")


def test_f43_the_limit_of_the_app_holds_too(make_app: MakeApp) -> None:
    device = Device(make_app(MAX_CONTENT_LENGTH=300))
    assert device.push(put("a", 1))[0]["status"] == "applied"
    assert error_of(device.post("push", device.push_body(put("b", "x" * 300)))) == (413, "too_large")


def test_f43_an_item_over_the_limit_is_rejected_alone(device: Device) -> None:
    limit = strict_json.MAX_VALUE_BYTES
    fits, too_long = "x" * (limit - 2), "x" * (limit - 1)
    results = device.push(put("fits", fits), put("a", 1))
    assert [r["status"] for r in results] == ["applied", "applied"]
    results = device.push(put("too long", too_long), put("b", 1))
    assert [r.get("code") for r in results] == ["too_large", None]
    assert str(limit) in results[0]["message"]
    body = strict_json.text_of(device.push_body(put("wide", "日" * (limit // 3)), put("c", 1)))
    wide = device.raw("push", body.encode()).get_json()["results"]
    assert [r.get("code") for r in wide] == ["too_large", None]
    version = results[1]["version"]
    grow = {"op": "replace", "path": "", "value": [fits]}
    patched = device.push(
        {"slice": "files", "id": "b", "op": "patch", "base": version, "patch": [grow], "at": 1}
    )
    assert patched[0]["code"] == "too_large"


def test_f43_a_patch_can_not_smuggle_what_a_put_can_not(device: Device) -> None:
    [created] = device.push(put("a", {"x": {}}))
    for operation, code in (
        ({"op": "add", "path": "/__proto__", "value": 1}, "invalid_value"),
        ({"op": "add", "path": "/x/__proto__/y", "value": 1}, "invalid_value"),
        ({"op": "add", "path": "/y", "value": {"__proto__": 1}}, "invalid_value"),
        ({"op": "add", "path": "/y", "value": 2**53}, "invalid_value"),
        ({"op": "add", "path": "/x/y", "value": json.loads("[" * 99 + "]" * 99)}, "invalid_value"),
    ):
        mutation = {"slice": "files", "id": "a", "op": "patch", "base": created["version"], "at": 1}
        [result] = device.push(mutation | {"patch": [operation]})
        assert result.get("code") == code, operation
    assert device.everything() == {("files", "a"): {"x": {}}}


def test_gzip_both_ways(device: Device) -> None:
    body = json.dumps(device.push_body(put("a", "x" * 5000))).encode()
    response = device.raw("push", gzip.compress(body), Content_Encoding="gzip", Accept_Encoding="gzip")
    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers  # too short
    # RFC 7694: a device compresses once it has seen this.
    assert response.headers["Accept-Encoding"] == "gzip"
    page = device.raw("pull", json.dumps(device.pull_body({"files": None})), Accept_Encoding="br, gzip")
    assert (page.headers["Content-Encoding"], page.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert json.loads(gzip.decompress(page.data))["changes"][0]["value"] == "x" * 5000
    plain = device.raw("pull", json.dumps(device.pull_body({"files": None})), Accept_Encoding="gzip;q=0")
    assert "Content-Encoding" not in plain.headers
    # A cache has to tell the two apart, whichever it got, and errors too.
    refused = device.raw("pull", b"{}", Accept_Encoding="gzip")
    assert (plain.headers["Vary"], refused.headers["Vary"]) == ("Accept-Encoding", "Accept-Encoding")


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"x", gzip.compress(b"{}") * 2],
)
def test_a_broken_gzip_is_a_client_error(device: Device, data: bytes) -> None:
    assert error_of(device.raw("push", data, Content_Encoding="gzip")) == (400, "invalid_request")


def test_other_encodings_and_types_are_415(device: Device) -> None:
    assert error_of(device.raw("push", b"{}", Content_Encoding="br")) == (415, "unsupported_media_type")
    for mimetype in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ):
        assert error_of(device.raw("push", b"{}", Content_Type=mimetype)) == (415, "unsupported_media_type")
    response = device.raw("push", b"{}", Content_Type="application/json; charset=utf-8")
    assert error_of(response) == (400, "invalid_request")


def test_lone_surrogates_in_ids_are_rejected_alone(device: Device) -> None:
    body = json.dumps(device.push_body(put("a\ud800", 1), put("\ud83d\ude00", 1)))
    refused, applied = device.raw("push", body).get_json()["results"]
    assert (refused["id"], refused["code"]) == ("a\ufffd", "invalid_id")
    assert (applied["id"], applied["status"]) == ("😀", "applied")
    assert device.everything() == {("files", "😀"): 1}


def test_f44_answers_may_not_be_cached(device: Device) -> None:
    for response in (
        device.post("push", device.push_body()),
        device.post("pull", device.pull_body({})),
        device.http.get("/nightferry/health"),
    ):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
