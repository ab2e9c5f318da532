"""Every error that the API answers, in one closed table.

An answer is ``{"error": {"code", "message", "retryable"}}``, of a 410 with ``slices`` too. The message is a
sentence for people that says what to do; it never holds a path, SQL or the text of an exception.
``retryable`` says whether the very same request may succeed later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

#: code -> (HTTP status, retryable). `tests/wire/error-*.json` has one example of each.
CODES: dict[str, tuple[int, bool]] = {
    "invalid_json": (400, False),
    "invalid_request": (400, False),
    "unsupported_protocol": (400, False),
    "principal_required": (400, False),
    "unauthenticated": (401, False),
    "wrong_principal": (403, False),
    "origin_refused": (403, False),
    "anonymous_refused": (403, False),
    "not_found": (404, False),
    "browser_files_missing": (404, False),
    "method_not_allowed": (405, False),
    "client_forked": (409, False),
    "history_changed": (410, False),
    "cursor_expired": (410, False),
    "too_large": (413, False),
    "unsupported_media_type": (415, False),
    "internal": (500, True),
    "unavailable": (503, True),
}

RETRY_AFTER_SECONDS = 2


class ApiError(Exception):
    """Ends the request with the error `code`; nothing of the request takes effect."""

    def __init__(
        self,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        slices: Collection[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status, self.retryable = CODES[code]
        #: Of a 410: the slices that the device has to rebuild, sorted.
        self.slices = sorted(set(slices))
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        error = {"code": self.code, "message": self.message, "retryable": self.retryable}
        return {"error": error | ({"slices": self.slices} if self.status == 410 else {})}


def unauthenticated() -> ApiError:
    """Nobody is signed in."""
    return ApiError("unauthenticated", "Sign in, then send the request again.")


def internal() -> ApiError:
    """A fault of the server; the caller writes the reason to the log."""
    return ApiError("internal", "The server failed. Its log says why.")


def unavailable() -> ApiError:
    """The database can't be used now; the caller writes the reason to the log."""
    return ApiError("unavailable", "The server is busy or not ready. Try again later.")
