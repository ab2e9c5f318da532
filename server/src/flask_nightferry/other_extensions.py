"""The API beside what else an app has: other extensions, and functions that run before each request.

They were made for pages and forms. A device reads JSON, and decides by status and code.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Request, Response, current_app
from werkzeug.exceptions import HTTPException

from .errors import ApiError, unauthenticated
from .http import Answer

logger = logging.getLogger("flask_nightferry")

#: What a limit of rates or a mode for maintenance answers: the same request may pass later.
_LATER = (408, 425, 429, 502, 503, 504)


def exempt_from_csrf(routes: Blueprint) -> Callable[..., None]:
    """A function to be called before the app's `before_request` functions, of which Flask-WTF's
    `CSRFProtect` is one. It exempts the routes, whichever extension was initialised first.

    `CSRFProtect` wants a token of a form, which a device does not have. The API is protected by its own
    rules: a request that changes anything is JSON, and comes from an allowed origin (`auth.require_origin`).
    """

    def exempt(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
        protection = current_app.extensions.get("csrf")
        if protection is not None and _is_of_flask_wtf(type(protection)):
            protection.exempt(routes)

    return exempt


def refusal_of(error: HTTPException) -> ApiError | None:
    """The error that a device understands, where the app's own code has aborted a request.

    None for all others.
    """
    if error.code in (401, 403):
        return unauthenticated()
    if error.code in _LATER:
        asked = error.get_response().headers.get("Retry-After")
        return ApiError(
            "unavailable",
            "The server takes no more requests for now. Nothing was changed. Send again later.",
            {"Retry-After": asked} if asked and asked.isdecimal() else None,
        )
    return None


def refusal_instead_of(request: Request, response: Response) -> ApiError | None:
    """The error to answer instead of a redirect or a 403 of the app's own code: a device would follow the one
    to a page, and take the other for a firewall's. None where the response stays as it is.
    """
    if isinstance(response, Answer):
        return None
    where = f"{request.method} {request.root_path}{request.path}"
    location = response.headers.get("Location")
    if response.status_code == 403:
        logger.warning("the app answered 403 to %s; devices are told to sign in", where)
        return unauthenticated()
    if location is None or not 300 <= response.status_code < 400:
        return None
    if urlsplit(location).path == f"{request.root_path}{request.path}":
        logger.warning(
            "the app redirected %s to the same address of another scheme or host. Behind a proxy that ends "
            "TLS, let the proxy send X-Forwarded-Proto, and wrap the app: "
            "app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1)",
            where,
        )
        return None
    logger.warning(
        "a before_request function of the app redirected %s, which is for a browser's pages; let it return "
        "None where request.blueprint == 'nightferry'",
        where,
    )
    return None if request.endpoint == "nightferry.file_view" else unauthenticated()


def _is_of_flask_wtf(class_: type) -> bool:
    # Without importing it: an app need not have it.
    return any(base.__module__.partition(".")[0] == "flask_wtf" for base in class_.__mro__)
