"""The body of a request, read within limits, and the answers, both with gzip."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from . import strict_json
from .errors import ApiError
from .wire import MAX_BODY_BYTES

#: Shorter answers are not worth a gzip.
GZIP_FROM_BYTES = 1024


class Answer(Response):
    """An answer of the API itself, as opposed to one that the app's own code gives in its place."""


def read_json(request: Request) -> Any:
    """The body as JSON, not checked yet below its syntax. Raises ApiError.

    The content type has to be JSON, which a page of another site can't send without asking first (CORS).
    """
    if request.mimetype != "application/json":
        raise ApiError("unsupported_media_type", "Send the body as application/json.")
    try:
        return strict_json.parse(_body(request))
    except strict_json.InvalidJson as error:
        raise ApiError("invalid_json", f"The body is not strict JSON: {error}.") from None


def answer(request: Request, body: Any, status: int = 200) -> Answer:
    """A JSON answer. Raises ValueError for what is not strict JSON."""
    response = Answer(strict_json.text_of(body).encode(), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    # RFC 7694: requests may be compressed, too.
    response.headers["Accept-Encoding"] = "gzip"
    compress(request, response)
    return response


def compress(request: Request, response: Response) -> None:
    """Makes the response a gzip where the client takes it and it is long enough."""
    response.vary.add("Accept-Encoding")
    data = response.get_data()
    if len(data) >= GZIP_FROM_BYTES and takes_gzip(request):
        response.set_data(gzip.compress(data, compresslevel=5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def takes_gzip(request: Request) -> bool:
    """True if the client accepts a gzip."""
    return request.accept_encodings["gzip"] > 0


def _body(request: Request) -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise ApiError("unsupported_media_type", "The body's Content-Encoding must be gzip, or none.")
    data = _read(request)
    return _inflated(data) if encoding == "gzip" else data


def _read(request: Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    data = bytearray()
    while chunk := _read_chunk(request, min(65536, MAX_BODY_BYTES + 1 - len(data))):
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise _too_large()
    return bytes(data)


def _read_chunk(request: Request, size: int) -> bytes:
    try:
        return request.stream.read(size)
    except RequestEntityTooLarge:
        raise ApiError("too_large", "The body is larger than the app's MAX_CONTENT_LENGTH.") from None
    except ClientDisconnected:
        raise ApiError("invalid_request", "The body is shorter than its Content-Length.") from None
    except Exception:
        # Every server has errors of its own for this.
        raise ApiError("invalid_request", "The body is cut off, or its chunks are badly framed.") from None


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        result = inflater.decompress(data, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise ApiError(
            "invalid_request", "The body is not the gzip that its Content-Encoding says."
        ) from None
    if len(result) > MAX_BODY_BYTES:
        raise _too_large()
    if not inflater.eof or inflater.unused_data:
        raise ApiError("invalid_request", "The body's gzip is cut off, or goes on behind its end.")
    return result


def _too_large() -> ApiError:
    return ApiError(
        "too_large",
        f"The body is larger than the limit of {MAX_BODY_BYTES} bytes. Send fewer changes at once.",
    )
