"""The routes: from a request to `push` or `pull` and back to an answer.

A request passes, in this order: anonymous mode's rule, the origin, who it is, the body's type, size and
syntax, the message's form, the principal and the user that it names. Only then the database is asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy import literal, select
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import WebsocketMismatch

from . import wire
from .auth import Principal, allowed_origin, principal_of, require_local, require_named, require_origin
from .errors import ApiError, internal
from .events import asked_by, forget_who_asks, log_answers, log_rebuild
from .files import browser_build, browser_file
from .hooks import Change, item_applied
from .http import answer, read_json
from .live import open_live
from .other_extensions import exempt_from_csrf, refusal_instead_of, refusal_of
from .pull import pull
from .push import push
from .sightings import Sighting
from .state import State, state_of

logger = logging.getLogger("flask_nightferry")

CORS_MAX_AGE_SECONDS = 600


def make_blueprint(url_prefix: str) -> Blueprint:
    """The routes of one app."""
    routes = Blueprint("nightferry", __name__, url_prefix=url_prefix, cli_group="nightferry")
    routes.post("/push")(push_view)
    routes.post("/pull")(pull_view)
    routes.get("/health")(health_view)
    routes.get("/live", websocket=True)(live_view)
    routes.get('/<stem>.<any("js", "wasm", "map", "d.ts"):extension>')(file_view)
    routes.url_value_preprocessor(exempt_from_csrf(routes))
    routes.register_error_handler(Exception, error_response)
    forget_who_asks(routes)
    # The last one is called first.
    routes.after_request(add_cors_headers)
    routes.after_request(name_build)
    routes.after_request(refuse_instead_of_redirecting)
    return routes


def push_view() -> Response:
    """`POST /push`."""
    state = state_of(current_app)
    principal = _admit(state)
    message = wire.push_request(read_json(request), state.config.slices)
    asked_by(principal, message.client)
    require_named(principal, message.principal, message.user)
    state.make_ready(current_app)
    if state.config.read_replica:
        raise ApiError(
            "unavailable", "This server answers reads only. Nothing was changed; send again later."
        )
    now = time.time_ns() // 1_000_000
    with state.admission.admit(principal.tenant), _rebuilds_logged(principal, message.client):
        horizon = now - state.config.horizon_ms
        outcome = push(state.store, state.hooks, principal, message, now, horizon)
    log_answers(principal, message.client, outcome.fresh)
    if outcome.changes:
        made = outcome.changes[0].version
        state.pokes.pushed(principal.tenant, made, (principal.user, message.client))
    _signal(outcome.changes)
    return _reply(principal, version=outcome.version, results=outcome.results)


def pull_view() -> Response:
    """`POST /pull`."""
    state = state_of(current_app)
    principal = _admit(state)
    message = wire.pull_request(read_json(request))
    asked_by(principal, message.client)
    require_named(principal, message.principal, message.user)
    state.make_ready(current_app)
    with _rebuilds_logged(principal, message.client):
        page = pull(state.store, principal, message, state.config.read_replica)
    if message.slices and not page["more"]:
        now = time.time_ns() // 1_000_000
        state.sightings.note(Sighting(principal, message.client, message.device, page["version"] or 0, now))
    return _reply(principal, **page)


def live_view() -> Response:
    """`GET /live`, a WebSocket."""
    state = state_of(current_app)
    _admit_origin(state)
    return open_live(current_app._get_current_object(), state)  # type: ignore[attr-defined]


def health_view() -> Response:
    """`GET /health`: tells if a push would find its database. Asks for no sign-in and tells nothing else."""
    state = state_of(current_app)
    if state.anonymous:
        require_local(request)
    state.make_ready(current_app)
    with state.store.read() as connection:
        connection.execute(select(literal(1)))
    return answer(request, {"protocol": wire.PROTOCOL, "status": "ok"})


def file_view(stem: str, extension: str) -> Response:
    """`GET /sw.js` and the browser's other files."""
    if state_of(current_app).anonymous:
        require_local(request)
    return browser_file(request, f"{stem}.{extension}")


def error_response(error: Exception) -> Response:
    """Turns every exception into an answer of the API."""
    response = answer(request, (known := _as_api_error(error)).body(), known.status)
    response.headers.extend(known.headers)
    return response


def refuse_unknown_routes() -> Response | None:
    """Answers in JSON where a path below the prefix has no route. Runs before each request of the app."""
    failure = request.routing_exception
    prefix = state_of(current_app).config.url_prefix
    if not isinstance(
        failure, NotFound | MethodNotAllowed | WebsocketMismatch
    ) or not request.path.startswith(f"{prefix}/"):
        return None
    return error_response(failure)


def name_build(response: Response) -> Response:
    """Name the build of the worker in JSON answers, so that a device with another one looks for it."""
    if response.mimetype == "application/json" and (build := browser_build()):
        response.headers["Nightferry-Build"] = build
    return response


def refuse_instead_of_redirecting(response: Response) -> Response:
    """Answers an error of the API where the app's own code has answered a redirect to a page."""
    refusal = refusal_instead_of(request, response)
    return response if refusal is None else error_response(refusal)


def add_cors_headers(response: Response) -> Response:
    """Let pages of the configured other origins read the answer; without such origins, no CORS headers."""
    origins = state_of(current_app).config.origins
    if not origins:
        return response
    response.vary.add("Origin")
    if allowed_origin(request, origins) is None:
        return response
    response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = "Accept-Encoding, Nightferry-Build, Retry-After"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Encoding, Content-Type"
        response.headers["Access-Control-Max-Age"] = str(CORS_MAX_AGE_SECONDS)
    return response


def _admit_origin(state: State) -> None:
    if state.anonymous:
        require_local(request)
    require_origin(request, state.config.origins, trust_browser=not state.anonymous)


def _admit(state: State) -> Principal:
    _admit_origin(state)
    principal = principal_of(request, state.authenticate)
    asked_by(principal)
    state.shared_tenant_warning.observe(principal)
    return principal


@contextmanager
def _rebuilds_logged(principal: Principal, client: str) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status == 410:
            log_rebuild(principal, client, error)
        raise


def _reply(principal: Principal, **fields: Any) -> Response:
    return answer(request, {"protocol": wire.PROTOCOL, "principal": principal.name, **fields})


def _signal(changes: list[Change]) -> None:
    # The changes are applied: nothing that a receiver does may turn the answer into a failure.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    for change in changes:
        for receiver in item_applied.receivers_for(app):
            try:
                receiver(app, change=change)
            except Exception:
                logger.exception("a receiver of item_applied failed")


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(error.valid_methods or ())
        named = " and ".join(method for method in allowed if method not in ("HEAD", "OPTIONS"))
        return ApiError(
            "method_not_allowed", f"This address answers to {named} only.", {"Allow": ", ".join(allowed)}
        )
    if isinstance(error, WebsocketMismatch):
        return ApiError("invalid_request", "/live is for WebSockets, and nothing else below this prefix is.")
    if isinstance(error, NotFound):
        return ApiError("not_found", "There is nothing at this address.")
    if isinstance(error, HTTPException) and (refusal := refusal_of(error)) is not None:
        return refusal
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return ApiError("invalid_request", "The server could not read the request.")
    logger.error("a request failed", exc_info=error)
    return internal()
