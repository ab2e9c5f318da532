"""The server of the end-to-end tests: the demo's app, whole, behind a layer that logs, and fails on demand.

``app.py --port 20001 --data FOLDER`` serves until it is stopped, or until its standard input ends (its test
has died). Beside the app:

- ``/__test__/blank``      a page that loads nothing
- ``/__test__/page``       a page with Nightferry's client as ``window.nf``, and nothing else
- ``/__test__/worker.js``  a service worker that does nothing
- ``/__test__/bench/``     the page of the benchmark, and its scripts (``bench/``)
- ``/__test__/bundled/`` pages of ``pages/``, bundled by the tests that open them; and ``rust/``, the page in
  Rust (``rust-page/``), which ``cargo xtask test e2e`` builds
- ``/__test__/wait``       answers once ``FOLDER/waiting``, which it makes, is gone
- ``/__test__/put``        POST ``{slice, id, value, tenant?}``: the app's code puts an item
- ``/__test__/fill``       POST ``{slice, count}``: another device pushes so many items, past log and faults
- ``/__test__/items``      what the server holds, as ``{slice: {id: value}}``, read by a pull of its own; of
  one user with ``?user=ann``
- ``/__test__/log``        every other request so far (``FOLDER/requests.jsonl``)
- ``/__test__/fault``      the faults in force (``FOLDER/faults.json``): POST sets them, GET reads them

Beside the log, ``FOLDER/applied.jsonl`` has a line for every change that took effect. While
``FOLDER/build.txt`` exists, Nightferry's worker is served as the build that it names, as after an update.

Everybody is anonymous, and has one another's items. With ``FOLDER/users.txt`` there are users, each with
items of their own. Where it says ``cookie``, the cookie ``user`` says who is signed in; where it says
``token``, the header ``Authorization: Bearer USER-NUMBER`` does, with a number from that in
``FOLDER/oldest-token.txt`` on.

Log and faults are files, so that they outlive this process, and can be read and set while it is stopped.

The server refuses an item of ``files`` whose ``name`` or ``text`` is ``forbidden``, or ``forbidden at
length``, and takes the others.

A fault is ``{"path": "/nightferry/push", "times": 1, "kind": ...}``; it meets requests whose path begins so,
as often as ``times`` says (null: until it is removed), after ``after`` others that it would have met; with
``word``, those whose body has it; with ``above``, those whose body is of more bytes (both inflated, as a
firewall looks at it); with ``zipped``, those whose body is a gzip. The kinds:

- ``silent``  the request is taken and never answered; nothing happens
- ``status``  answered with ``status`` (and ``retry_after``, ``body``, ``content_type``, ``location``);
  nothing happens
- ``html``    answered with an HTML page and status 200; nothing happens
- ``slow``    takes as long as the body takes at ``rate`` bytes a second; where the browser gives up before,
              nothing happens
- ``late``    answered after ``seconds``; the effect is at once
- ``drop``    the effect happens, and the connection is closed without an answer
- ``cut``     the effect happens, and the connection is closed in the middle of the answer
- ``twice``   the effect is asked for twice, as a network that repeats would; the second answer is sent
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response
from werkzeug.serving import make_server
from werkzeug.test import Client, run_wsgi_app

ROOT = Path(__file__).resolve().parents[2]

BLANK = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>blank</title>"

PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>page</title>
<script>
window.errors = [];
addEventListener("error", (event) => errors.push(String(event.message)));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason?.message ?? event.reason)));
</script>
<script type="module">
window.nf = await import("/nightferry/client.js");
</script>
"""

BENCH = """<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>benchmark</title>
<script type="module" src="page.js"></script>
"""

BUNDLED = """<!doctype html><html lang=en><meta charset=utf-8><link rel=icon href=data:,><title>page</title>
<meta name=viewport content="width=device-width">
<style>
:root { color-scheme: light dark }
body { margin: 0; font-family: system-ui }
h1 { margin: 12px; font-size: 20px }
</style>
<script>
window.errors = [];
addEventListener("error", (event) => errors.push(String(event.message)));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason?.message ?? event.reason)));
</script>
<meta http-equiv="Content-Security-Policy"
  content="default-src 'self'; img-src data:; script-src 'self' 'wasm-unsafe-eval'">
<main><h1>A page of the tests</h1><div id="root"></div></main>
<script type="module" src="page.js"></script>
"""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def make_app(data: Path) -> Flask:
    """The demo's app, which has the extension and the static files of a real page."""
    sys.path.insert(0, str(ROOT / "examples" / "demo"))
    from app import create_app
    from flask_nightferry import item_applied

    def note(_app: Flask, change: Any) -> None:
        names = ("slice", "id", "version", "value")
        with (data / "applied.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps({name: getattr(change, name) for name in names}) + "\n")

    item_applied.connect(note, weak=False)
    app = create_app(data)
    state = app.extensions["nightferry"]
    state.hooks.setdefault("files", []).append(refuse)
    if (data / "users.txt").is_file():
        # Without anonymous access, tables are not made by themselves.
        state.store.create_tables()
        by = by_token(data) if (data / "users.txt").read_text() == "token" else by_cookie
        app.extensions["nightferry"] = replace(state, authenticate=by)
    return app


def refuse(change: Any) -> None:
    """Refuses what has a forbidden name or text: in a few words, or in as many as a reason may have."""
    from flask_nightferry.hooks import Refused

    value = change.value if isinstance(change.value, dict) else {}
    if value.get("name") == "forbidden":
        raise Refused("No file may have that name.")
    if value.get("text") == "forbidden":
        raise Refused("No note may say that.")
    if "forbidden at length" in (value.get("name"), value.get("text")):
        raise Refused("The harbour office has to say more about this. " * 30 + "x" * 2000)


def by_cookie(request: Request) -> Any:
    from flask_nightferry import Principal

    user = request.cookies.get("user")
    return Principal(tenant=user, user=user) if user else None


def by_token(data: Path) -> Any:
    def authenticate(request: Request) -> Any:
        from flask_nightferry import Principal

        oldest = data / "oldest-token.txt"
        token = re.fullmatch(r"Bearer (\w+)-(\d+)", request.headers.get("Authorization", ""))
        if not token or int(token[2]) < int(oldest.read_text() if oldest.exists() else 0):
            return None
        return Principal(tenant=token[1], user=token[1])

    return authenticate


class Log:
    """One line when a request arrives, one when it is answered; the same ``key`` joins them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.Lock()

    def write(self, **entry: Any) -> None:
        line = json.dumps({**entry, "at": time.time() * 1000})
        with self.lock, self.file.open("a", encoding="utf-8") as out:
            out.write(line + "\n")

    def read(self) -> list[Any]:
        if not self.file.is_file():
            return []
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]


class Faults:
    """The list of faults, in a file that tests write whole."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.Lock()

    def read(self) -> list[dict[str, Any]]:
        try:
            return json.loads(self.file.read_text("utf-8"))
        except FileNotFoundError:
            return []

    def write(self, faults: list[dict[str, Any]]) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(faults), "utf-8")
        part.replace(self.file)

    def dispatch(self, path: str, body: bytes, is_zipped: bool) -> dict[str, Any] | None:
        """The fault that meets this request, counted down. The body is inflated."""
        with self.lock:
            faults = self.read()
            for fault in faults:
                meets = (
                    path.startswith(fault["path"])
                    and fault.get("word", "").encode() in body
                    and len(body) > fault.get("above", -1)
                    and (is_zipped or not fault.get("zipped"))
                )
                if meets and fault.get("after"):
                    fault["after"] -= 1
                    self.write(faults)
                elif meets and fault.get("times") != 0:
                    if fault.get("times"):
                        fault["times"] -= 1
                        self.write(faults)
                    return fault
        return None

    def holds(self, fault: dict[str, Any]) -> bool:
        """Whether a silent fault is still in force: a test that clears the list lets its connections go."""
        return any(other.get("id") == fault.get("id") for other in self.read())


class Layer:
    """WSGI middleware between the network and the app."""

    def __init__(self, app: Flask, data: Path) -> None:
        self.waiting = data / "waiting"
        self.app = app
        self.wsgi = app.wsgi_app
        self.log = Log(data / "requests.jsonl")
        self.faults = Faults(data / "faults.json")
        self.build = data / "build.txt"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/__test__/"):
            return self.control(path.removeprefix("/__test__/"), environ)(environ, start_response)
        if environ.get("HTTP_UPGRADE"):
            return self.upgrade(path, environ, start_response)
        return self.serve(path, environ, start_response)

    def upgrade(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A WebSocket's handshake. Of the faults, it meets those that answer with a status."""
        fault = self.faults.dispatch(path, b"", False)
        kind = fault["kind"] if fault else None
        self.log.write(key=uuid.uuid4().hex, event="arrived", method="GET", path=path, body=None, fault=kind)
        if kind == "status":
            return Response("made to fail", status=fault["status"])(environ, start_response)
        return self.wsgi(environ, start_response)

    def control(self, name: str, environ: Environ) -> Response:
        request = Request(environ)
        if name == "blank":
            return Response(BLANK, mimetype="text/html")
        if name == "page":
            return Response(PAGE, mimetype="text/html")
        if name == "worker.js":
            return Response("addEventListener('sync', () => {});", mimetype="text/javascript")
        if name == "bench/":
            return Response(BENCH, mimetype="text/html")
        if name.startswith("bench/") and name.endswith(".js"):
            script = Path(__file__).with_name("bench") / Path(name).name
            return Response(script.read_text("utf-8"), mimetype="text/javascript")
        if name.startswith("bundled/") and name.endswith("/"):
            return Response(BUNDLED, mimetype="text/html")
        if name.startswith("bundled/") and name.endswith((".js", ".wasm")):
            file = Path(name)
            bundled = ROOT / "target" / "nightferry" / "e2e-pages" / file.parent.name / file.name
            # One of them is a service worker for the whole origin.
            return Response(
                bundled.read_bytes(),
                mimetype="text/javascript" if file.suffix == ".js" else "application/wasm",
                headers={"Service-Worker-Allowed": "/"},
            )
        if name == "wait":
            self.waiting.touch()
            while self.waiting.exists():
                time.sleep(0.01)
            return Response("", mimetype="text/plain")
        if name == "put":
            asked = request.get_json(force=True)
            began = time.time() * 1000
            with self.app.app_context():
                python_put(asked.get("tenant", ""), asked["slice"], asked["id"], asked["value"])
            return json_response({"at": began})
        if name == "fill":
            asked = request.get_json(force=True)
            self.fill(asked["slice"], asked["count"])
            return json_response({})
        if name == "items":
            return json_response(self.items(request.args.get("user")))
        if name == "log":
            return json_response(self.log.read())
        if name == "fault":
            if request.method == "POST":
                self.faults.write(request.get_json(force=True))
            return json_response(self.faults.read())
        return Response("not found", status=404)

    def items(self, user: str | None = None) -> dict[str, dict[str, Any]]:
        """A pull of every slice that was ever pushed, as a client of its own, past log and faults."""
        pushed = {
            mutation["slice"]
            for entry in self.log.read()
            if entry["event"] == "arrived"
            and entry["path"].endswith("/push")
            and isinstance(entry["body"], dict)
            for mutation in entry["body"].get("mutations", [])
        }
        held: dict[str, dict[str, Any]] = {name: {} for name in sorted(pushed)}
        cursors: dict[str, Any] = dict.fromkeys(held)
        principal = None
        while cursors:
            body = {"client": "e2e-reader", "slices": cursors}
            if principal is not None:
                body["principal"] = principal
            page = self.post("pull", body, user)
            principal = page["principal"]
            for change in page["changes"]:
                if change.get("deleted"):
                    held[change["slice"]].pop(change["id"], None)
                else:
                    held[change["slice"]][change["id"]] = change["value"]
            cursors |= page["cursors"]
            if not page["more"]:
                break
        return held

    def fill(self, slice_: str, count: int) -> None:
        """So many items of some 300 bytes, pushed by a client of its own, past log and faults."""
        words = "calm sea twelve knots a ferry leaves the harbour at night and arrives before anyone is up "
        client = f"e2e-filler-{uuid.uuid4().hex}"
        principal = self.post("pull", {"client": client, "slices": {}})["principal"]
        for first in range(0, count, 500):
            mutations = []
            for number in range(first, min(first + 500, count)):
                id_ = f"item-{number:06}"
                content = (words * 4)[number % 80 :][:190]
                value = {"id": id_, "path": f"notes/{number % 97}/{number}.txt", "content": content}
                mutations.append(
                    {"slice": slice_, "id": id_, "op": "put", "base": None, "value": value, "at": 1}
                )
            push = {"client": client, "principal": principal, "n": first + 1, "tag": "fill"}
            self.post("push", push | {"mutations": mutations})

    def post(self, name: str, body: dict[str, Any], user: str | None = None) -> Any:
        """A request to the app, past log and faults; of that user, where they sign in."""
        answer = Client(self.wsgi, Response, use_cookies=False).post(
            f"/nightferry/{name}",
            json={"protocol": 1, **body},
            base_url="http://127.0.0.1/",
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
            headers={"Cookie": f"user={user}", "Authorization": f"Bearer {user}-999"} if user else {},
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{name} was answered with {answer.status}: {answer.get_data(as_text=True)}")
        return answer.get_json()

    def serve(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = read_body(environ)
        encoding = environ.get("HTTP_CONTENT_ENCODING")
        plain = inflated(body, encoding)
        fault = self.faults.dispatch(path, plain, encoding == "gzip")
        key = uuid.uuid4().hex
        kind = fault["kind"] if fault else None
        self.log.write(
            key=key,
            event="arrived",
            method=environ["REQUEST_METHOD"],
            path=path,
            query=environ.get("QUERY_STRING", ""),
            body=decoded(body, encoding),
            bytes=len(plain),
            received=len(body),
            fault=kind,
        )
        if kind == "silent":
            while self.faults.holds(fault):
                time.sleep(0.05)
            hang_up(environ)
        if kind == "slow" and not self.arrives(fault, len(body), environ["werkzeug.socket"]):
            hang_up(environ)
        if kind == "status":
            answer = Response(
                fault.get("body") or "made to fail",
                status=fault["status"],
                mimetype=fault.get("content_type", "text/plain"),
            )
            if fault.get("retry_after") is not None:
                answer.headers["Retry-After"] = str(fault["retry_after"])
            if fault.get("location") is not None:
                answer.headers["Location"] = fault["location"]
            self.log.write(key=key, event="answered", status=fault["status"], answer=None)
            return answer(environ, start_response)
        if kind == "html":
            self.log.write(key=key, event="answered", status=200, answer=None)
            answer = Response(
                "<!doctype html><title>Sign in</title>Welcome to the hotel's network.", mimetype="text/html"
            )
            return answer(environ, start_response)

        content, status, headers = self.run(environ, body)
        if kind == "twice":
            content, status, headers = self.run(environ, body)
        self.log.write(
            key=key,
            event="answered",
            status=int(status.split()[0]),
            answer=decoded(content, headers.get("Content-Encoding"))
            if headers.get("Content-Type") == "application/json"
            else None,
        )
        if kind == "late":
            time.sleep(fault["seconds"])
        if kind == "drop":
            hang_up(environ)
        if kind == "cut":
            lines = [
                f"HTTP/1.1 {status}",
                *(f"{name}: {value}" for name, value in headers.items() if name != "Content-Length"),
            ]
            head = "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""])
            environ["werkzeug.socket"].sendall(head.encode("latin-1") + content[: len(content) // 2])
            hang_up(environ)
        start_response(status, headers.to_wsgi_list())
        return [content]

    def arrives(self, fault: dict[str, Any], size: int, connection: socket.socket) -> bool:
        """Waits as long as a body takes on a slow line. False if the browser gave up before."""
        end = time.monotonic() + size / fault["rate"]
        while time.monotonic() < end and self.faults.holds(fault):
            time.sleep(0.05)
            try:
                if connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                    return False
            except BlockingIOError:
                pass
        return True

    def run(self, environ: Environ, body: bytes) -> tuple[bytes, str, Any]:
        if self.build.is_file():
            environ = {name: value for name, value in environ.items() if name != "HTTP_IF_NONE_MATCH"}
        answer, status, headers = run_wsgi_app(
            self.wsgi, {**environ, "wsgi.input": io.BytesIO(body)}, buffered=True
        )
        content = b"".join(answer)
        if "Nightferry-Build" in headers and self.build.is_file():
            headers["Nightferry-Build"] = self.build.read_text("utf-8")
        if environ["PATH_INFO"] == "/nightferry/sw.js" and self.build.is_file():
            # The same code, under the name of another build: its wasm has another address and another cache.
            content = gzip.decompress(content) if headers.get("Content-Encoding") == "gzip" else content
            del headers["Content-Encoding"]
            del headers["ETag"]
            build = re.search(rb"sw\.wasm\?build=(\d[\w.+-]*)", content)
            assert build and content.count(build[1]) >= 2, (
                "sw.js names its build for its wasm and for its cache"
            )
            content = content.replace(build[1], self.build.read_text("utf-8").encode())
            headers["Content-Length"] = str(len(content))
        return content, status, headers


def python_put(tenant: str, slice_: str, id_: str, value: Any) -> None:
    """As the app's own code would; the anonymous user's tenant has an empty name."""
    from flask_nightferry import python_api

    python_api.put(tenant, slice_, id_, value)


def read_body(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH")
    if length:
        return environ["wsgi.input"].read(int(length))
    return environ["wsgi.input"].read() if environ.get("wsgi.input_terminated") else b""


def inflated(body: bytes, encoding: str | None) -> bytes:
    """What was compressed; the body itself where it is no gzip."""
    try:
        return gzip.decompress(body) if encoding == "gzip" else body
    except (OSError, EOFError):
        return body


def decoded(body: bytes, encoding: str | None) -> Any:
    """For the log: JSON as such, else text."""
    text = inflated(body, encoding).decode("utf-8", "replace")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def json_response(value: Any) -> Response:
    return Response(json.dumps(value), mimetype="application/json")


def hang_up(environ: Environ) -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("closed on demand")


def end_with_the_test() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--data", type=Path, required=True)
    options = arguments.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)

    server = make_server(
        "127.0.0.1", options.port, Layer(make_app(options.data), options.data), threaded=True
    )
    threading.Thread(target=end_with_the_test, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
