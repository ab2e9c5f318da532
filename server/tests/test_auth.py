"""f39, f64: who may use the API, from where, and whose items are shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Device, MakeApp, authenticate, error_of, golden, put
from flask import Flask, abort, redirect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from flask_nightferry import ConfigurationError, Nightferry, Principal, tenancy


def test_f39_it_does_not_start_without_authenticate(tmp_path: Path) -> None:
    app = Flask("tests", instance_path=str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"authenticate=.*NIGHTFERRY_ALLOW_ANONYMOUS = True"):
        Nightferry(app)
    app.config["NIGHTFERRY_ALLOW_ANONYMOUS"] = "yes"
    with pytest.raises(ConfigurationError, match="True or False"):
        Nightferry(app)


def test_f39_no_one_is_let_in_who_does_not_sign_in(app: Flask) -> None:
    stranger = Device(app)
    stranger.headers = {}
    for path in ("push", "pull"):
        response = stranger.raw(path, b"whatever")
        assert error_of(response) == (401, "unauthenticated")
        assert response.get_json() == golden("error-unauthenticated.json")["message"]


@pytest.mark.parametrize(
    "refusal", [lambda: abort(401), lambda: abort(403), lambda: abort(redirect("/login"))]
)
def test_f39_an_authenticate_that_aborts_lets_no_one_in(make_app: MakeApp, refusal: Any) -> None:
    device = Device(make_app(Nightferry(authenticate=lambda _request: refusal())))
    assert error_of(device.post("pull", device.pull_body({}))) == (401, "unauthenticated")


def test_f39_tenants_do_not_see_each_other(app: Flask) -> None:
    ann, eve = Device(app), Device(app, tenant="evil")
    [created] = ann.push(put("a", "secret"))
    assert eve.everything() == {}
    assert eve.push(put("a", 1))[0]["status"] == "applied"
    assert ann.everything() == {("files", "a"): "secret"}
    refused = eve.post("push", eve.push_body(put("a", 2, base=created["version"])))
    assert error_of(refused) == (410, "history_changed")


FOREIGN = [
    "https://evil.example",
    "null",
    "http://localhost:81",
    "http://localhost.evil.example",
    "file://",
    "x",
    "",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_f39_pages_of_other_origins_are_refused(device: Device, origin: str) -> None:
    for path, body in (("push", device.push_body(put("a", 1))), ("pull", device.pull_body({"files": None}))):
        response = device.post(path, body, Origin=origin)
        assert error_of(response) == (403, "origin_refused")
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
    assert device.everything() == {}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_f39_a_browser_that_says_cross_site_is_believed(device: Device, site: str) -> None:
    response = device.post("pull", device.pull_body({}), **{"Sec-Fetch-Site": site})
    assert error_of(response) == (403, "origin_refused")


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:80", "HTTP://LOCALHOST", None])
def test_f39_its_own_pages_are_let_in(device: Device, origin: str | None) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"} | ({} if origin is None else {"Origin": origin})
    assert device.post("pull", device.pull_body({}), **headers).status_code == 200


def test_f39_behind_a_proxy_with_tls_its_own_pages_are_let_in(device: Device) -> None:
    app = device.http.application
    origin = {"Origin": "https://localhost"}
    assert device.post("pull", device.pull_body({}), **origin).status_code == 200
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    secure = origin | {"X-Forwarded-Proto": "https"}
    assert device.post("pull", device.pull_body({}), **secure).status_code == 200
    downgraded = {"Origin": "http://localhost", "X-Forwarded-Proto": "https"}
    assert error_of(device.post("pull", device.pull_body({}), **downgraded)) == (403, "origin_refused")


#: What an app's own page sends through nginx with nothing but `proxy_pass`, and with `Host $host`.
BEHIND_A_PROXY = [
    ("https://app.example", "127.0.0.1:8000"),
    ("https://app.example:8443", "app.example"),
    ("http://localhost:8080", "localhost"),
]


@pytest.mark.parametrize(("origin", "host"), BEHIND_A_PROXY)
def test_f67_a_browser_that_says_same_origin_is_believed_whatever_the_proxy_makes_of_the_host(
    device: Device, origin: str, host: str
) -> None:
    headers = {"Origin": origin, "Host": host, "Sec-Fetch-Site": "same-origin"}
    assert device.post("push", device.push_body(put("a", 1)), **headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "same-origin, cross-site"])
def test_f67_nothing_else_that_a_browser_says_stands_for_the_host(device: Device, site: str) -> None:
    headers = {"Origin": "https://app.example", "Host": "127.0.0.1:8000", "Sec-Fetch-Site": site}
    refused = device.post("push", device.push_body(put("a", 1)), **headers)
    assert error_of(refused) == (403, "origin_refused")


@pytest.mark.parametrize(("origin", "host"), BEHIND_A_PROXY)
def test_f67_a_hidden_host_is_logged_with_the_lines_to_write(
    device: Device, origin: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = device.post("push", device.push_body(put("a", 1)), Origin=origin, Host=host)
    assert error_of(refused) == (403, "origin_refused")
    assert refused.get_json() == golden("error-origin-refused.json")["message"]
    assert "proxy" in refused.text
    assert host not in refused.text
    [line] = [record.getMessage() for record in caplog.records]
    for part in (
        f"origin {origin!r}",
        f"Host {host!r}",
        "proxy_set_header Host $http_host;",
        "ProxyFix(app.wsgi_app, x_host=1)",
        f'NIGHTFERRY_ORIGINS = ["{origin}"]',
    ):
        assert part in line


@pytest.mark.parametrize(
    "mimetype", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_f39_no_simple_request_changes_anything(device: Device, mimetype: str) -> None:
    body = json.dumps(device.push_body(put("a", 1)))
    assert error_of(device.raw("push", body, Content_Type=mimetype)) == (415, "unsupported_media_type")
    for method in ("GET", "HEAD"):
        assert device.http.open("/nightferry/push", method=method, headers=device.headers).status_code == 405
    assert device.everything() == {}


def test_f39_no_cors_unless_configured(make_app: MakeApp) -> None:
    def preflight(app: Flask, origin: str) -> TestResponse:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return app.test_client().options("/nightferry/push", headers=asked)

    friend = "https://app.example"
    response = preflight(make_app(), friend)
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]

    app = make_app(NIGHTFERRY_ORIGINS=[friend])
    response = preflight(app, friend)
    assert response.headers["Access-Control-Allow-Origin"] == friend
    assert "Content-Type" in response.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in preflight(app, "https://evil.example").headers

    device = Device(app)
    let_in = device.post("pull", device.pull_body({}), Origin=friend, **{"Sec-Fetch-Site": "cross-site"})
    assert let_in.status_code == 200
    assert let_in.headers["Access-Control-Allow-Origin"] == friend
    assert "Origin" in let_in.headers["Vary"]
    refused = device.post("pull", device.pull_body({}), Origin="https://evil.example")
    assert error_of(refused) == (403, "origin_refused")


@pytest.fixture
def anonymous(make_app: MakeApp) -> Device:
    device = Device(make_app(Nightferry(), NIGHTFERRY_ALLOW_ANONYMOUS=True))
    device.headers = {}
    device.principal = "anonymous"
    return device


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "files.localhost"])
def test_f39_anonymous_mode_answers_this_machine(anonymous: Device, peer: str, host: str) -> None:
    response = anonymous.http.post(
        "/nightferry/pull",
        json={"protocol": 1, "client": "c", "slices": {}},
        headers={"Host": host},
        environ_overrides={"REMOTE_ADDR": peer},
    )
    assert (response.status_code, response.get_json()["principal"]) == (200, "anonymous")


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.168.0.7", {}),
        ("::ffff:192.168.0.7", {}),
        ("", {}),
        ("127.0.0.1", {"Host": "evil.example"}),
        ("127.0.0.1", {"Host": "localhost.evil.example"}),
        ("127.0.0.1", {"Host": "192.168.0.7:5000"}),
        ("127.0.0.1", {"Host": "0.0.0.0"}),
        ("127.0.0.1", {"Host": "[::1"}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"X-Forwarded-Host": "localhost"}),
        ("127.0.0.1", {"X-Forwarded-Proto": "http"}),
        ("127.0.0.1", {"X-Forwarded-Anything": ""}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}),
    ],
)
def test_f39_anonymous_mode_answers_no_one_else(
    anonymous: Device, peer: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    anonymous.push(put("a", 1))
    environ = {"REMOTE_ADDR": peer}
    for path, body in (
        ("push", anonymous.push_body(put("b", 1))),
        ("pull", anonymous.pull_body({"files": None})),
    ):
        response = anonymous.http.post(
            f"/nightferry/{path}", json=body, headers=headers, environ_overrides=environ
        )
        assert error_of(response) == (403, "anonymous_refused")
        assert response.get_json() == golden("error-anonymous-refused.json")["message"]
    for path in ("health", "sw.js"):
        response = anonymous.http.get(f"/nightferry/{path}", headers=headers, environ_overrides=environ)
        assert error_of(response) == (403, "anonymous_refused")
    assert "anonymous access refused" in caplog.text
    assert anonymous.everything() == {("files", "a"): 1}


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:8080"])
def test_f67_anonymous_mode_believes_no_browser_behind_a_proxy(anonymous: Device, origin: str) -> None:
    """nginx with nothing but `proxy_pass` sends a loopback Host and no forwarding header."""
    headers = {"Origin": origin, "Host": "127.0.0.1:5000", "Sec-Fetch-Site": "same-origin"}
    assert error_of(anonymous.post("pull", anonymous.pull_body({}), **headers)) == (403, "origin_refused")


def test_f39_anonymous_mode_makes_its_tables(tmp_path: Path) -> None:
    app = Flask("tests", instance_path=str(tmp_path))
    app.config["NIGHTFERRY_ALLOW_ANONYMOUS"] = True
    Nightferry(app)
    assert app.test_client().get("/nightferry/health").status_code == 200


def test_authenticate_goes_before_anonymous(make_app: MakeApp) -> None:
    app = make_app(Nightferry(authenticate=authenticate), NIGHTFERRY_ALLOW_ANONYMOUS=True)
    stranger = Device(app)
    stranger.headers = {}
    assert error_of(stranger.post("pull", stranger.pull_body({}))) == (401, "unauthenticated")


def shared_tenant_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "two users" in record.getMessage()]


def test_f64_two_users_of_one_tenant_are_warned_of_once(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    for user in ("ann", "ann", "bob", "eve", "ann"):
        Device(app, user=user).push(put(user, 1))
    [warning] = shared_tenant_warnings(caplog)
    assert "'ann' and 'bob'" in warning
    assert "Principal(tenant=user, user=user)" in warning
    assert "NIGHTFERRY_SHARED_TENANT = True" in warning
    assert caplog.records[0].levelname == "WARNING"


def test_f64_users_with_tenants_of_their_own_are_not_warned_of(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenancy, "MAX_TENANTS", 3)
    for user in ("ann", "bob", "eve", "joe", "ann", "bob", "eve", "joe"):
        Device(app, user=user, tenant=user).pull()
    assert shared_tenant_warnings(caplog) == []
    Device(app, user="ann", tenant="bob").pull()
    assert len(shared_tenant_warnings(caplog)) == 1


def test_f64_a_tenant_that_is_meant_to_be_shared_is_not_warned_of(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(NIGHTFERRY_SHARED_TENANT=True)
    for user in ("ann", "bob"):
        Device(app, user=user).pull()
    assert shared_tenant_warnings(caplog) == []


def test_principals_have_names_of_their_own() -> None:
    pairs = [
        ("", "a"),
        ("a", "b"),
        ("", "a/b"),
        ("", "a%2Fb"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("anonymous", "x"),
    ]
    assert len({Principal(tenant, user).name for tenant, user in pairs}) == len(pairs)
    for tenant, user in (("", ""), ("", "a\0"), ("x" * 256, "a"), ("", "\ud800"), (1, "a"), ("", None)):
        with pytest.raises(TypeError):
            Principal(tenant, user)  # type: ignore[arg-type]
