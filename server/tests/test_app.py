"""Configuration, the browser's files, hooks and signals."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from conftest import Device, MakeApp, authenticate, delete, error_of, golden, patch, put
from flask import Flask

from flask_nightferry import Change, ConfigurationError, Nightferry, Refused, files, item_applied
from flask_nightferry.config import read_config


def test_defaults() -> None:
    config = read_config({}, "/srv/instance")
    assert config.database_url.database == "/srv/instance/nightferry.sqlite3"
    assert (config.url_prefix, config.allow_anonymous, config.create_tables) == ("/nightferry", False, None)
    assert (config.origins, config.shared_tenant) == (frozenset(), False)


def test_options() -> None:
    settings = {
        "OTHER": 1,
        "NIGHTFERRY_DATABASE_URL": "postgresql+psycopg://db/app",
        "NIGHTFERRY_URL_PREFIX": "/api/sync/",
        "NIGHTFERRY_ORIGINS": "https://App.example:8443",
    }
    config = read_config(settings, "/srv/instance")
    assert config.database_url.render_as_string() == "postgresql+psycopg://db/app"
    assert config.url_prefix == "/api/sync"
    assert config.origins == {"https://app.example:8443"}
    absolute = read_config({"NIGHTFERRY_DATABASE_URL": "sqlite:////data/x.db"}, "/srv/instance")
    assert absolute.database_url.database == "/data/x.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("URL_PREFIX", ""),
        ("URL_PREFIX", "/"),
        ("URL_PREFIX", "nightferry"),
        ("URL_PREFIX", "/<x>"),
        ("CREATE_TABLES", "yes"),
        ("ALLOW_ANONYMOUS", 1),
        ("SHARED_TENANT", "acme"),
        ("ORIGINS", ["*"]),
        ("ORIGINS", ["https://app.example/"]),
        ("ORIGINS", ["app.example"]),
        ("ORIGINS", [7]),
        ("ORIGIN", ["https://app.example"]),
        ("SLICES", "files"),
        ("SLICES", ["files", ""]),
        ("SLICES", ["my files"]),
        ("SLICES", [1]),
        ("SLICES", 1),
    ],
)
def test_a_bad_option_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"NIGHTFERRY_{name}"):
        read_config({f"NIGHTFERRY_{name}": value}, "/srv/instance")


def test_one_extension_serves_two_apps(tmp_path: Path) -> None:
    nightferry = Nightferry(authenticate=authenticate)
    devices = []
    for name, prefix in (("one", "/nightferry"), ("two", "/nightferry")):
        app = Flask(name, instance_path=str(tmp_path / name))
        app.config.update(NIGHTFERRY_CREATE_TABLES=True, NIGHTFERRY_URL_PREFIX=prefix)
        nightferry.init_app(app)
        devices.append(Device(app))
    devices[0].push(put("a", 1))
    assert devices[1].everything() == {}
    assert not [value for value in vars(nightferry).values() if isinstance(value, Flask)]


def test_another_prefix(make_app: MakeApp) -> None:
    http = make_app(NIGHTFERRY_URL_PREFIX="/api/sync").test_client()
    assert http.get("/api/sync/health").status_code == 200
    assert error_of(http.get("/api/sync/none")) == (404, "not_found")
    assert not http.get("/nightferry/health").is_json


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "browser"
    folder.mkdir()
    monkeypatch.setattr(files, "FOLDER", folder)
    (tmp_path / "secret.js").write_text("secret")
    for name in (
        "sw.js",
        "client.js",
        "dashboard.js",
        "sw.wasm",
        "client.wasm",
        "client.d.ts",
        "sw.js.map",
        "notes.txt",
        ".hidden.js",
    ):
        (folder / name).write_bytes(f"content of {name} ".encode() * 200)
    return folder


@pytest.mark.parametrize(
    ("name", "mimetype"),
    [
        ("sw.js", "text/javascript; charset=utf-8"),
        ("client.js", "text/javascript; charset=utf-8"),
        ("dashboard.js", "text/javascript; charset=utf-8"),
        ("sw.wasm", "application/wasm"),
        ("client.wasm", "application/wasm"),
        ("client.d.ts", "text/plain; charset=utf-8"),
        ("sw.js.map", "application/json"),
    ],
)
def test_the_browsers_files_are_served(app: Flask, browser: Path, name: str, mimetype: str) -> None:
    http = app.test_client()
    response = http.get(f"/nightferry/{name}")
    assert (response.status_code, response.data) == (200, (browser / name).read_bytes())
    assert response.headers["Content-Type"] == mimetype
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    known = http.get(f"/nightferry/{name}", headers={"If-None-Match": response.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")

    zipped = http.get(f"/nightferry/{name}", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(zipped.data) == response.data
    assert zipped.headers["ETag"] != response.headers["ETag"]
    assert http.head(f"/nightferry/{name}").headers["Content-Length"] == response.headers["Content-Length"]


def test_a_new_build_has_another_etag(app: Flask, browser: Path) -> None:
    http = app.test_client()
    before = http.get("/nightferry/sw.js").headers["ETag"]
    (browser / "sw.js").write_text("new")
    after = http.get("/nightferry/sw.js", headers={"If-None-Match": before})
    assert (after.status_code, after.data) == (200, b"new")


@pytest.mark.parametrize(
    "name",
    ["notes.txt", ".hidden.js", "none.js", "../secret.js", "..%2fsecret.js", "%2e%2e/secret.js", "a%00.js"],
)
def test_other_files_are_not_served(app: Flask, browser: Path, name: str) -> None:
    assert error_of(app.test_client().get(f"/nightferry/{name}")) == (404, "not_found")


def test_without_a_build_it_says_what_to_run(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FOLDER", tmp_path / "none")
    response = app.test_client().get("/nightferry/sw.js")
    assert error_of(response) == (404, "browser_files_missing")
    assert response.get_json() == golden("error-browser-files-missing.json")["message"]


def test_hooks_refuse_and_change(make_app: MakeApp) -> None:
    nightferry = Nightferry(authenticate=authenticate)
    seen: list[tuple[Any, ...]] = []

    @nightferry.validate("files")
    def check(change: Change) -> None:
        seen.append((change.op, change.id, change.before, change.principal.user))
        if change.op == "delete":
            raise Refused("Files stay.", code="files_stay")
        if not change.value.get("name"):
            raise Refused("A file needs a name.")
        change.value["name"] = change.value["name"].strip()

    device = Device(make_app(nightferry))
    good, trimmed, bad, other = device.push(
        put("a", {"name": "a"}), put("b", {"name": " b "}), put("c", {}), put("c", {}, slice="models")
    )
    assert "value" not in good
    assert (trimmed["status"], trimmed["value"]) == ("applied", {"name": "b"})
    assert bad == {
        "slice": "files",
        "id": "c",
        "status": "rejected",
        "code": "refused",
        "message": "A file needs a name.",
        "version": None,
        "deleted": True,
        "at": 0,
    }
    assert other["status"] == "applied"
    [refused] = device.push(delete("a", good["version"]))
    assert (refused["code"], refused["message"]) == ("files_stay", "Files stay.")
    [patched] = device.push(patch("a", good["version"], {"op": "replace", "path": "/name", "value": "a "}))
    assert (patched["version"], patched["value"]) == (good["version"], {"name": "a"})  # nothing has changed
    assert seen[-2:] == [("delete", "a", {"name": "a"}, "ann"), ("put", "a", {"name": "a"}, "ann")]
    assert device.everything() == {("files", "a"): {"name": "a"}, ("files", "b"): {"name": "b"}}


def test_a_hook_can_not_store_what_a_push_can_not(make_app: MakeApp) -> None:
    nightferry = Nightferry(authenticate=authenticate)

    @nightferry.validate("files")
    def spoil(change: Change) -> None:
        change.value = {"x": float("nan")} if change.id == "nan" else {"x": {1, 2}}

    results = Device(make_app(nightferry)).push(put("nan", 1), put("set", 1))
    assert [r["code"] for r in results] == ["invalid_value", "invalid_value"]


def test_a_hook_that_fails_undoes_the_push(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    nightferry = Nightferry(authenticate=authenticate)

    @nightferry.validate("files")
    def fail(change: Change) -> None:
        if change.id == "b":
            raise ValueError("a bug of the app")

    device = Device(make_app(nightferry))
    assert error_of(device.post("push", device.push_body(put("a", 1), put("b", 1)))) == (500, "internal")
    assert device.everything() == {}
    assert "a bug of the app" in caplog.text


def test_a_signal_tells_of_each_applied_change_once(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    received: list[tuple[Any, ...]] = []

    def receive(sender: Flask, change: Change) -> None:
        received.append((sender, change.op, change.id, change.value, change.before, change.version))
        raise RuntimeError("a receiver's bug")

    device = Device(app)
    with item_applied.connected_to(receive, sender=app):
        body = device.push_body(put("a", 1), put("", 1))
        [created, _] = device.post("push", body).get_json()["results"]
        device.post("push", body)  # the same again
        device.push(put("a", 1))  # equal
        device.push(put("a", 2))  # in conflict
        [deleted] = device.push(delete("a", created["version"]))
    assert received == [
        (app, "put", "a", 1, None, created["version"]),
        (app, "delete", "a", None, 1, deleted["version"]),
    ]
    assert "a receiver's bug" in caplog.text


def test_f70_json_answers_name_the_build_of_the_worker_that_is_served(app: Flask, browser: Path) -> None:
    (browser / "sw.js").write_text('const WASM = new URL("sw.wasm?build=1.2.3-abc", self.location);')
    client = app.test_client()
    assert client.get("/nightferry/health").headers["Nightferry-Build"] == "1.2.3-abc"
    (browser / "sw.js").write_text('const WASM = new URL("sw.wasm?build=1.2.4", self.location);')
    assert client.get("/nightferry/health").headers["Nightferry-Build"] == "1.2.4"
    (browser / "sw.js").unlink()
    assert "Nightferry-Build" not in client.get("/nightferry/health").headers
