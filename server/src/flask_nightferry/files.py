"""The browser's files (`sw.js`, `client.js`, wasm, ...), served from the folder that the build fills."""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from pathlib import Path

from flask import Request, Response

from .errors import ApiError
from .http import GZIP_FROM_BYTES, takes_gzip

#: Filled by `cargo xtask build`, part of the wheel.
FOLDER = Path(__file__).parent / "browser"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.(js|wasm|map|d\.ts)")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".map": "application/json",
    ".ts": "text/plain; charset=utf-8",
}


def browser_file(request: Request, name: str) -> Response:
    """The file, or 304 where the browser has it. Raises ApiError (`not_found`, `browser_files_missing`)."""
    if not _NAME.fullmatch(name):
        raise ApiError("not_found", "There is nothing at this address.")
    path = FOLDER / name
    try:
        status = path.stat()
    except OSError:
        raise _missing() from None
    data, digest = _content(path, status.st_mtime_ns, status.st_size)
    zipped = len(data) >= GZIP_FROM_BYTES and takes_gzip(request)
    response = Response(_gzip(digest, data) if zipped else data, content_type=_TYPES[path.suffix])
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    # By content: a build that is the same to the byte has the same times, whatever was built.
    response.set_etag(f"{digest}-gzip" if zipped else digest)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.make_conditional(request)
    return response


def browser_build() -> str | None:
    """The build of the worker that is served. A device that has another one fetches it."""
    path = FOLDER / "sw.js"
    try:
        status = path.stat()
    except OSError:
        return None
    data, _ = _content(path, status.st_mtime_ns, status.st_size)
    build = re.search(rb"sw\.wasm\?build=([\w.+-]+)", data)
    return build[1].decode() if build else None


def _missing() -> ApiError:
    if any(FOLDER.glob("*.js")):
        return ApiError("not_found", "There is nothing at this address.")
    return ApiError(
        "browser_files_missing",
        "The browser's files are not built. Run `cargo xtask build`, or install flask-nightferry from a "
        "wheel.",
    )


@functools.lru_cache(maxsize=32)
def _content(path: Path, _mtime_ns: int, _size: int) -> tuple[bytes, str]:
    data = path.read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:32]


@functools.lru_cache(maxsize=32)
def _gzip(_digest: str, data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=9, mtime=0)
