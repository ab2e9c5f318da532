"""The app behind the tests' real servers. `NIGHTFERRY_TEST_APP` has its configuration, as JSON.

A change whose value is `{"hook": seconds}` keeps its hook busy for so long, one with `{"until": name}` until
there is such a file in the instance folder. A change of the client `holder` keeps its transaction open for
`hold` seconds, with everything written.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from flask import Flask, Request, current_app
from sqlalchemy import text

from flask_nightferry import Change, Nightferry, Principal, api, push, schema, versions
from flask_nightferry.idempotency import LatestPush


def authenticate(request: Request) -> Principal | None:
    user = request.headers.get("X-User")
    return Principal(request.headers.get("X-Tenant", ""), user) if user else None


def wait(change: Change) -> None:
    if not isinstance(change.value, dict):
        return
    time.sleep(change.value.get("hook", 0))
    if "until" in change.value:
        awaited = Path(current_app.instance_path) / change.value["until"]
        while not awaited.exists():
            time.sleep(0.01)


def hold_transactions_of_the_holder(seconds: float) -> None:
    keep = LatestPush.keep

    def hold(self: LatestPush, *args: Any) -> None:
        keep(self, *args)
        if self.client == "holder":
            time.sleep(seconds)

    LatestPush.keep = hold  # type: ignore[method-assign]


def number_naively() -> None:
    """Versions as a sequence or a clock gives them: without a lock, in the order in which pushes begin."""

    def no_lock(connection: Any, tenant: str) -> versions.History:
        return versions.read_history(connection, tenant)

    def from_clock(_history: versions.History, now: int) -> int:
        return now * 1024 + versions._random.randrange(1024)

    def keep(connection: Any, tenant: str, version: int) -> None:
        connection.execute(schema.versions.insert(), {"tenant": tenant, "version": version})
        newer = schema.tenants.c.last_version < version
        of_tenant = schema.tenants.c.tenant == tenant
        connection.execute(schema.tenants.update().where(of_tenant, newer).values(last_version=version))

    push.lock_history = no_lock  # type: ignore[attr-defined]
    push.next_version = from_clock  # type: ignore[attr-defined]
    push.keep_version = keep  # type: ignore[attr-defined]


def lock_before_hooks() -> None:
    """Pushes of a tenant one after the other, hooks included, whatever the process."""
    push_unlocked = api.push  # type: ignore[attr-defined]

    def one_at_a_time(store: Any, hooks: Any, principal: Principal, *args: Any) -> Any:
        with store.write() as connection:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtext(:tenant))"), {"tenant": principal.tenant}
            )
            return push_unlocked(store, hooks, principal, *args)

    api.push = one_at_a_time  # type: ignore[attr-defined]


def make_app() -> Flask:
    settings = json.loads(os.environ["NIGHTFERRY_TEST_APP"])
    hold_transactions_of_the_holder(settings["hold"])
    if settings["naive"]:
        number_naively()
    if settings["lock_first"]:
        lock_before_hooks()
    app = Flask("served", instance_path=settings["instance"])
    app.config.update(settings["config"])
    nightferry = Nightferry(app, authenticate=authenticate)
    nightferry.validate("files")(wait)
    return app


app = make_app()
