"""f67: beside other extensions that an app has, as they are installed from PyPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Device, MakeApp, authenticate, error_of, put
from flask import Flask, abort, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_cors import CORS
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_talisman import Talisman
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_nightferry import Nightferry, Principal

#: What these packages decide does not depend on the database.
sqlite_is_enough = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def bare_app(make_app: MakeApp) -> Callable[..., Flask]:
    """Makes an app to which `prepare` is done first, and then the extension."""

    def make(prepare: Callable[[Flask], object], **options: Any) -> Flask:
        class Late(Nightferry):
            def init_app(self, app: Flask) -> None:
                prepare(app)
                super().init_app(app)

        return make_app(Late(authenticate=authenticate), SECRET_KEY="x" * 32, **options)

    return make


@sqlite_is_enough
@pytest.mark.parametrize("first", ["csrf", "nightferry"])
def test_f67_csrf_protect_lets_the_api_through_whichever_is_initialised_first(
    make_app: MakeApp, bare_app: Callable[..., Flask], first: str
) -> None:
    if first == "csrf":
        app = bare_app(CSRFProtect)
    else:
        app = make_app(SECRET_KEY="x" * 32)
        CSRFProtect(app)
    device = Device(app)
    [created] = device.push(put("a", 1))
    assert created["status"] == "applied"
    assert device.everything() == {("files", "a"): 1}


@sqlite_is_enough
def test_f67_an_apps_own_kind_of_csrf_protect_lets_the_api_through(make_app: MakeApp) -> None:
    class Ours(CSRFProtect):
        pass

    app = make_app(SECRET_KEY="x" * 32)
    Ours(app)
    assert Device(app).push(put("a", 1))[0]["status"] == "applied"


@sqlite_is_enough
def test_f67_csrf_protect_still_protects_the_apps_own_views(make_app: MakeApp) -> None:
    app = make_app(SECRET_KEY="x" * 32)
    CSRFProtect(app)
    app.post("/transfer")(lambda: "done")
    Device(app).push(put("a", 1))
    assert app.test_client().post("/transfer").status_code == 400


@sqlite_is_enough
def test_f67_with_csrf_protect_a_foreign_page_is_still_refused(make_app: MakeApp) -> None:
    app = make_app(SECRET_KEY="x" * 32)
    CSRFProtect(app)
    device = Device(app)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = device.post("push", device.push_body(put("a", 1)), **headers)
        assert error_of(refused) == (403, "origin_refused")
    form = device.raw("push", b"a=b", Content_Type="application/x-www-form-urlencoded")
    assert error_of(form) == (415, "unsupported_media_type")
    assert device.everything() == {}


@sqlite_is_enough
def test_f67_another_extension_of_the_name_csrf_is_left_alone(make_app: MakeApp) -> None:
    app = make_app()
    app.extensions["csrf"] = object()
    assert Device(app).push(put("a", 1))[0]["status"] == "applied"


@sqlite_is_enough
def test_f67_a_before_request_that_redirects_to_a_sign_in_page_is_401(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()

    @app.before_request
    def sign_in_first() -> ResponseReturnValue | None:
        return None if "user" in session else redirect(f"/login?next={request.path}")

    app.secret_key = "x" * 32
    device = Device(app)
    for path, body in (("push", device.push_body(put("a", 1))), ("pull", device.pull_body({}))):
        response = device.post(path, body)
        assert error_of(response) == (401, "unauthenticated")
        assert "Location" not in response.headers
    assert "request.blueprint" in caplog.text
    with device.http.session_transaction() as cookie:
        cookie["user"] = "ann"
    assert device.push(put("a", 1))[0]["status"] == "applied"


@sqlite_is_enough
def test_f67_a_redirect_of_the_browsers_files_is_kept_and_logged(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    app.before_request(lambda: redirect("/login"))
    response = app.test_client().get("/nightferry/sw.js")
    assert (response.status_code, response.headers["Location"]) == (302, "/login")
    assert "GET /nightferry/sw.js" in caplog.text


@sqlite_is_enough
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (401, (401, "unauthenticated")),
        (403, (401, "unauthenticated")),
        (404, (404, "not_found")),
        (418, (400, "invalid_request")),
        (429, (503, "unavailable")),
        (503, (503, "unavailable")),
        (500, (500, "internal")),
    ],
)
def test_f67_a_before_request_that_aborts_is_told_as_what_it_is(
    make_app: MakeApp, status: int, answer: tuple[int, str]
) -> None:
    app = make_app()
    app.before_request(lambda: abort(status))
    device = Device(app)
    assert error_of(device.post("push", device.push_body(put("a", 1)))) == answer


@sqlite_is_enough
def test_f67_a_403_that_the_app_answers_is_nobody_signed_in_and_one_of_ours_stays(make_app: MakeApp) -> None:
    """A device takes a 403 without a code for a firewall that dislikes one change, and halves the push."""
    app = make_app()

    @app.before_request
    def members_only() -> ResponseReturnValue | None:
        return None if "X-Member" in request.headers else ("Members only.", 403)

    device = Device(app)
    assert error_of(device.post("push", device.push_body(put("a", 1)))) == (401, "unauthenticated")
    headers = {"X-Member": "yes", "Origin": "https://evil.example"}
    assert error_of(device.post("push", device.push_body(put("a", 1)), **headers)) == (403, "origin_refused")


@sqlite_is_enough
def test_f67_a_rate_limit_of_the_app_is_a_wait_and_not_a_bad_request(make_app: MakeApp) -> None:
    app = make_app()
    options = {"storage_uri": "memory://", "headers_enabled": True}
    Limiter(get_remote_address, app=app, default_limits=["1 per hour"], **options)
    device = Device(app)
    device.push(put("a", 1))
    body = device.push_body(put("b", 1))
    response = device.post("push", body)
    assert error_of(response) == (503, "unavailable")
    assert response.get_json()["error"]["retryable"]
    assert int(response.headers["Retry-After"]) > 3000


@sqlite_is_enough
def test_f67_talisman_without_proxy_fix_is_named_in_the_log(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    Talisman(app)
    device = Device(app)
    response = device.post("push", device.push_body(put("a", 1)), Host="app.example")
    assert response.status_code == 302
    assert "ProxyFix" in caplog.text
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    headers = {"X-Forwarded-Proto": "https", "Host": "app.example", "Origin": "https://app.example"}
    assert device.post("push", device.push_body(put("a", 1)), **headers).status_code == 200


@sqlite_is_enough
def test_f67_flask_cors_with_credentials_opens_the_api_to_no_foreign_page(make_app: MakeApp) -> None:
    app = make_app()
    CORS(app, supports_credentials=True)
    device = Device(app)
    refused = device.post("push", device.push_body(put("a", 1)), Origin="https://evil.example")
    assert error_of(refused) == (403, "origin_refused")
    assert device.everything() == {}


@sqlite_is_enough
@pytest.mark.parametrize("mounted", ["dispatcher", "proxy"])
def test_f67_an_app_below_a_prefix_answers_there(make_app: MakeApp, mounted: str) -> None:
    app = make_app()
    device = Device(app)
    if mounted == "dispatcher":
        inner = app.wsgi_app
        app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
            Flask("outer").wsgi_app, {"/app": inner}
        )
        path, headers = "/app/nightferry/", {}
    else:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
        path, headers = "/nightferry/", {"X-Forwarded-Prefix": "/app"}
    body = device.push_body(put("a", 1))
    response = device.http.post(f"{path}push", json=body, headers=device.headers | headers)
    assert response.get_json()["results"][0]["status"] == "applied"
    assert error_of(device.http.get(f"{path}none", headers=headers)) == (404, "not_found")


def test_f67_a_session_of_flask_login_and_an_app_factory(make_app: MakeApp) -> None:
    """`authenticate` may use `current_user`, whichever of the extensions is initialised first."""
    from flask_login import LoginManager, UserMixin, current_user, login_user

    class User(UserMixin):
        id = "ann"

    def of_session(_request: object) -> Principal | None:
        if not current_user.is_authenticated:
            return None
        return Principal(tenant=current_user.id, user=current_user.id)

    app = make_app(Nightferry(authenticate=of_session), SECRET_KEY="x" * 32)
    LoginManager(app).user_loader(lambda _id: User())
    app.get("/login")(lambda: str(login_user(User())))
    device = Device(app, tenant="ann")
    assert error_of(device.post("pull", device.pull_body({}))) == (401, "unauthenticated")
    device.http.get("/login")
    assert device.push(put("a", 1))[0]["status"] == "applied"


@sqlite_is_enough
def test_f67_a_csrf_check_of_the_apps_own_leaves_the_api_out_by_its_blueprint(make_app: MakeApp) -> None:
    app = make_app(SECRET_KEY="x" * 32, WTF_CSRF_CHECK_DEFAULT=False)
    csrf = CSRFProtect(app)

    @app.before_request
    def check() -> None:
        if request.blueprint != "nightferry":
            csrf.protect()

    app.post("/transfer")(lambda: "done")
    assert Device(app).push(put("a", 1))[0]["status"] == "applied"
    assert app.test_client().post("/transfer").status_code == 400


@sqlite_is_enough
def test_f67_the_api_can_be_taken_out_of_a_rate_limit(make_app: MakeApp) -> None:
    app = make_app()
    limiter = Limiter(get_remote_address, app=app, default_limits=["1 per hour"], storage_uri="memory://")
    limiter.exempt(app.blueprints["nightferry"])
    device = Device(app)
    for i in range(3):
        device.push(put(str(i), 1))


@sqlite_is_enough
def test_f67_trusted_hosts_need_the_host_that_the_browser_asked_for(make_app: MakeApp) -> None:
    device = Device(make_app(TRUSTED_HOSTS=["app.example"], SERVER_NAME="app.example"))
    body = device.push_body(put("a", 1))
    assert device.post("push", body, Host="app.example").status_code == 200
    assert device.post("push", body, Host="127.0.0.1:8000").status_code == 400


@sqlite_is_enough
def test_f67_the_api_renews_a_permanent_session_unless_the_app_says_otherwise(make_app: MakeApp) -> None:
    app = make_app(SECRET_KEY="x" * 32)
    device = Device(app)
    with device.http.session_transaction() as cookie:
        cookie["user"] = "ann"
        cookie.permanent = True
    assert "Set-Cookie" in device.post("pull", device.pull_body({})).headers
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    assert "Set-Cookie" not in device.post("pull", device.pull_body({})).headers


@sqlite_is_enough
def test_f67_a_smaller_limit_of_the_app_is_a_413_that_names_it(make_app: MakeApp) -> None:
    device = Device(make_app(MAX_CONTENT_LENGTH=1000))
    refused = device.post("push", device.push_body(put("a", "x" * 2000)))
    assert error_of(refused) == (413, "too_large")
    assert "MAX_CONTENT_LENGTH" in refused.text
