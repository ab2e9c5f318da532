"""A real app on a real database, SQLite and PostgreSQL in turn, and a client that speaks the wire."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask, Request
from postgresql import plain, private_server
from sqlalchemy.engine import URL
from werkzeug.test import TestResponse

from flask_nightferry import Nightferry, Principal
from flask_nightferry.state import state_of

#: Marks a test that is about the SQLite file, or about PostgreSQL.
sqlite_only = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
postgresql_only = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

WIRE = Path(__file__).parents[2] / "tests" / "wire"


def golden(name: str) -> dict[str, Any]:
    """One of the golden messages, by the name of its file."""
    document: dict[str, Any] = json.loads((WIRE / name).read_text(encoding="utf-8"))
    return document


class Device:
    """One client of one user."""

    def __init__(self, app: Flask, user: str = "ann", tenant: str = "acme", client: str = "phone") -> None:
        self.http = app.test_client()
        self.client = client
        self.principal = f"{tenant}/{user}"
        self.headers = {"X-User": user, "X-Tenant": tenant}
        self.n = 0

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.http.post(f"/nightferry/{path}", json=body, headers=self.headers | headers)

    def raw(self, path: str, data: bytes | str, **headers: str) -> TestResponse:
        named = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.http.post(f"/nightferry/{path}", data=data, headers=self.headers | named)

    def push_body(self, *mutations: dict[str, Any], **fields: Any) -> dict[str, Any]:
        self.n += 1
        return {
            "protocol": 1,
            "client": self.client,
            "principal": self.principal,
            "n": self.n,
            "tag": f"tag-{self.n}",
            "mutations": list(mutations),
        } | fields

    def push(self, *mutations: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
        response = self.post("push", self.push_body(*mutations, **fields))
        assert response.status_code == 200, response.text
        results: list[dict[str, Any]] = response.get_json()["results"]
        return results

    def pull_body(self, slices: dict[str, str | None], **fields: Any) -> dict[str, Any]:
        return {"protocol": 1, "client": self.client, "principal": self.principal, "slices": slices} | fields

    def pull(self, slices: dict[str, str | None] | None = None, **fields: Any) -> dict[str, Any]:
        body = self.pull_body({"files": None} if slices is None else slices, **fields)
        response = self.post("pull", body)
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.get_json()
        return page

    def everything(self, *slices: str, limit: int = 500) -> dict[tuple[str, str], Any]:
        """All items that a pull from the beginning brings, page by page."""
        cursors: dict[str, str | None] = dict.fromkeys(slices or ("files",))
        found: dict[tuple[str, str], Any] = {}
        while True:
            page = self.pull(cursors, limit=limit)
            for change in page["changes"]:
                key = (change["slice"], change["id"])
                found.pop(key, None)
                if not change.get("deleted"):
                    found[key] = change["value"]
            cursors = page["cursors"]
            if not page["more"]:
                return found


def put(id_: str, value: Any, base: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"slice": "files", "id": id_, "op": "put", "base": base, "value": value, "at": 1000} | fields


def delete(id_: str, base: int | None, **fields: Any) -> dict[str, Any]:
    return {"slice": "files", "id": id_, "op": "delete", "base": base, "at": 1000} | fields


def patch(id_: str, base: int | None, *operations: Any, **fields: Any) -> dict[str, Any]:
    return {
        "slice": "files",
        "id": id_,
        "op": "patch",
        "base": base,
        "patch": list(operations),
        "at": 1000,
    } | fields


def authenticate(request: Request) -> Principal | None:
    user = request.headers.get("X-User")
    return Principal(request.headers.get("X-Tenant", ""), user) if user else None


MakeApp = Callable[..., Flask]


@dataclass(frozen=True)
class Database:
    """Where a test's items are: a SQLite file in the instance folder, or a schema of a PostgreSQL server."""

    name: str
    #: What an app's configuration needs for it.
    options: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    with private_server() as url:
        yield url


_schemas = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The test's own database, empty. Every test that uses one runs on both kinds."""
    if request.param == "sqlite":
        yield Database("sqlite")
        return
    server: URL = request.getfixturevalue("postgresql_server")
    schema = f"test_{next(_schemas)}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield Database("postgresql", {"NIGHTFERRY_DATABASE_URL": within_schema(server, schema)})
        # A transaction that a test has left open would make this wait.
        connection.execute("SET lock_timeout = '10s'")
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def within_schema(server: URL, schema: str) -> str:
    """The URL of one schema of the server."""
    url = server.update_query_dict({"options": f"-csearch_path={schema}"})
    return url.render_as_string(hide_password=False)


@pytest.fixture
def make_app(tmp_path: Path, database: Database) -> Iterator[MakeApp]:
    """Makes an app over the test's own database; keywords are options."""
    apps = []

    def make(nightferry: Nightferry | None = None, **options: Any) -> Flask:
        app = Flask("tests", instance_path=str(tmp_path / "instance"))
        app.config.update({"NIGHTFERRY_CREATE_TABLES": True} | database.options | options)
        (nightferry or Nightferry(authenticate=authenticate)).init_app(app)
        apps.append(app)
        return app

    yield make
    for app in apps:
        state_of(app).close()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def device(app: Flask) -> Device:
    return Device(app)


def error_of(response: TestResponse) -> tuple[int, str]:
    """Status and code of an error, whose form is checked on the way."""
    body = response.get_json()
    assert set(body) == {"error"}
    slices = {"slices"} if response.status_code == 410 else set()
    assert set(body["error"]) == {"code", "message", "retryable"} | slices
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, body["error"]["code"]


#: How long a test waits for a state.
SECONDS = 20


def until(condition: Callable[[], bool]) -> None:
    """Waits for a state."""
    waiting = threading.Event()
    for _ in range(SECONDS * 100):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("the state was not reached")
