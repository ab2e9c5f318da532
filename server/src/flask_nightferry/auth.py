"""Decides who may use the API: a request's principal, its page's origin, and the rule of anonymous mode."""

from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request
from werkzeug.exceptions import HTTPException

from .errors import ApiError, unauthenticated

logger = logging.getLogger("flask_nightferry")

_FORWARDING_HEADERS = ("Forwarded", "X-Real-IP", "Via")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Principal:
    """The user behind a request. Items belong to the tenant: all its users read and change the same ones.

    `user` is a stable id, not empty. `tenant` is an id too: the user's own where users share nothing, and a
    team's where its members share everything. It may be `""` where an app has one set of data for all.
    """

    tenant: str
    user: str

    def __post_init__(self) -> None:
        for name, text in (("tenant", self.tenant), ("user", self.user)):
            if not isinstance(text, str) or len(text) > 255 or "\0" in text or not text.isprintable():
                raise TypeError(f"Principal.{name} must be a string of at most 255 printable characters.")
        if not self.user:
            raise TypeError("Principal.user must not be empty.")

    @property
    def name(self) -> str:
        """The principal as the wire names it: `tenant/user`, `user` alone where the tenant is empty.

        Different principals have different names: `%` and `/` within the parts are escaped.
        """
        return f"{_escaped(self.tenant)}/{_escaped(self.user)}" if self.tenant else _escaped(self.user)


Authenticate = Callable[[Request], Principal | None]

ANONYMOUS = Principal(tenant="", user="anonymous")


def principal_of(request: Request, authenticate: Authenticate | None) -> Principal:
    """The principal behind the request; `anonymous` where the app has no `authenticate`. Raises ApiError."""
    if authenticate is None:
        return ANONYMOUS
    try:
        principal = authenticate(request)
    except HTTPException as refusal:
        # `abort(401)`, or a redirect to a page that signs in: what matters is that no one is signed in.
        if refusal.code is not None and refusal.code >= 500:
            raise
        principal = None
    if principal is None:
        raise unauthenticated()
    if not isinstance(principal, Principal):
        raise TypeError(f"authenticate must answer a Principal or None, not {type(principal).__name__}.")
    return principal


def require_named(principal: Principal, name: str | None, user: str | None) -> None:
    """Refuses a message that names another principal or user than this one. Raises ApiError."""
    if name not in (None, principal.name) or user not in (None, principal.user):
        raise ApiError(
            "wrong_principal",
            "The request was made by another user than the one who is signed in. Nothing was changed.",
        )


def require_local(request: Request) -> None:
    """The rule of anonymous mode: this machine's own browser, by a loopback name, through no proxy.

    The Host is part of it because a page of another site can have its own name point to this machine. Raises
    ApiError.
    """
    forwarded = [name for name, _ in request.headers if _is_forwarding(name)]
    if _is_loopback(request.remote_addr or "") and _is_loopback(_host_name(request.host)) and not forwarded:
        return
    logger.warning(
        "anonymous access refused: peer %r, Host %r, forwarding headers %r",
        request.remote_addr,
        request.host,
        forwarded,
    )
    raise ApiError(
        "anonymous_refused",
        "Anonymous access is for development: it answers a browser on this machine only, addressed as "
        "localhost and not through a proxy. Configure authenticate to serve others.",
    )


def allowed_origin(request: Request, origins: frozenset[str]) -> str | None:
    """The request's `Origin` where it is one of the configured ones, for the CORS headers."""
    origin = request.headers.get("Origin", "").lower()
    return origin if origin in origins else None


def require_origin(request: Request, origins: frozenset[str], trust_browser: bool = True) -> None:
    """Refuse what a page of another origin asks; programs send no `Origin`. Raises ApiError.

    A browser that says `Sec-Fetch-Site: same-origin` is believed, since no page can write that header. It
    compares with the address that it has asked for, also where a proxy gives this server another Host. Where
    a browser does not say it (an older one, and Chromium for a WebSocket), Origin and Host are compared; and
    always without `trust_browser`, which is for anonymous mode: a proxy would make everybody local.
    """
    origin = request.headers.get("Origin")
    if allowed_origin(request, origins) is not None:
        return
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site == "same-origin" and trust_browser:
        return
    if site not in ("cross-site", "same-site") and (origin is None or _is_own_origin(origin, request)):
        return
    logger.warning(
        "origin %r refused at Host %r (%s %s). If it is the app's own page, the proxy before this server "
        "hides the Host that the browser asked for. In nginx write `proxy_set_header Host $http_host;`; with "
        "a proxy that sends X-Forwarded-Host, wrap the app: app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1). "
        "If it is a page of another origin that may use the API: NIGHTFERRY_ORIGINS = [%s]",
        origin,
        request.host,
        request.method,
        request.path,
        json.dumps(origin),
    )
    raise ApiError(
        "origin_refused",
        "Pages of another origin may not use this API. To allow one, add it to NIGHTFERRY_ORIGINS. If the "
        "page is the app's own, a proxy hides its address: the server's log has the line to write.",
    )


def _is_own_origin(origin: str, request: Request) -> bool:
    # By host and port. Behind a proxy that ends TLS, this side sees http where the browser sees https; the
    # other way around would be a page without TLS that uses an API with it.
    try:
        parts = urlsplit(origin.lower())
        host = urlsplit(f"//{request.host.lower()}")
        default = _DEFAULT_PORTS[parts.scheme]
        same_host = (parts.hostname, parts.port or default) == (host.hostname, host.port or default)
    except (KeyError, ValueError):
        return False
    return (
        same_host
        and parts.hostname is not None
        and not (request.scheme == "https" and parts.scheme == "http")
    )


def _is_forwarding(header: str) -> bool:
    return header.title() in (name.title() for name in _FORWARDING_HEADERS) or header.lower().startswith(
        "x-forwarded-"
    )


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")
