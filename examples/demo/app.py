"""A small file workspace on Nightferry: everything the server side of an application needs.

Run it from this folder with ``flask --app app run``, or ``cargo xtask demo`` from the root of the repository.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import flask_nightferry
from flask import Flask, Response
from flask_nightferry import Nightferry

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"

# The part of Nightferry that the page loads. The shell worker keeps it beside the page's own files.
CLIENT = ("client.js", "client.wasm", "conflicts.js")

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(data_dir: str | os.PathLike[str] | None = None) -> Flask:
    """Make the application; its database is kept in ``data_dir``."""
    data = Path(data_dir or os.environ.get("NIGHTFERRY_DEMO_DATA") or HERE / "instance").resolve()
    data.mkdir(parents=True, exist_ok=True)

    app = Flask(__name__, static_folder=STATIC, instance_path=str(data))
    app.config["NIGHTFERRY_ALLOW_ANONYMOUS"] = True  # a demo, for this machine only
    app.config["NIGHTFERRY_DATABASE_URL"] = f"sqlite:///{data / 'nightferry.sqlite3'}"
    Nightferry(app)

    @app.get("/")
    def index() -> Response:
        return app.send_static_file("index.html")

    @app.get("/shell-sw.js")
    def shell_worker() -> Response:
        # Served from the root, because a worker's scope is the folder that it comes from; and with the list
        # of what it keeps and a digest of all that, so that a change of any reaches the offline copy too.
        script = f"const SHELL = {json.dumps(shell())};\n" + (STATIC / "shell-sw.js").read_text("utf-8")
        response = Response(script, mimetype="text/javascript")
        response.headers["Cache-Control"] = "no-cache"
        return response

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def shell() -> dict[str, object]:
    """The files that the page needs to open with the server down, and a digest of their content."""
    files = {f"/static/{path.name}": path for path in sorted(STATIC.iterdir()) if path.suffix != ".html"}
    del files["/static/shell-sw.js"]
    files["/"] = STATIC / "index.html"
    browser = Path(flask_nightferry.__file__).parent / "browser"
    files |= {f"/nightferry/{name}": browser / name for name in CLIENT}

    digest = hashlib.sha256()
    for url, path in files.items():
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{url}\0{len(content)}\0".encode())
        digest.update(content)
    return {"version": digest.hexdigest()[:16], "files": list(files)}


if __name__ == "__main__":
    create_app().run(port=5000)
