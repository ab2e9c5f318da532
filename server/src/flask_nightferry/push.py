"""A push: each mutation is compared with what the server has, and applied, in conflict, or rejected.

Effects and answers are one database transaction, and that transaction has at most one version.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam

from . import strict_json
from .auth import Principal
from .compare import Conflict, Effect, Rejected, decide, rejected_value, unreadable
from .hooks import Change, Hook, Refused
from .idempotency import Answer, GivenAnswer, LatestPush
from .rows import Item, StoredItem, Unreadable, find_items, server_side
from .schema import items
from .store import Store
from .versions import History, lock_history
from .wire import BadMutation, Mutation, PushRequest

Hooks = Mapping[str, Sequence[Hook]]  # by slice


@dataclass(frozen=True)
class Outcome:
    """What became of a push."""

    #: Names a transaction of this push, all of whose effects are among `results`: the one that has just been
    #: made, else the newest earlier one. None where there is none.
    version: int | None
    results: list[Answer]  # in the order of the mutations
    changes: list[Change]  # applied now, for the signal


def push(store: Store, hooks: Hooks, principal: Principal, request: PushRequest, now: int) -> Outcome:
    """Answers each mutation. `now` is in epoch ms. Raises ApiError, and then nothing has changed."""
    with store.write() as connection:
        history = lock_history(connection, principal.tenant)
        latest = LatestPush(connection, principal, request.client)
        given = latest.begin(request.n, request.tag, now)
        fresh = [m for m in request.mutations if (m.slice, m.id) not in given]
        rows = find_items(
            connection, principal.tenant, [(m.slice, m.id) for m in fresh if not _names_no_item(m)]
        )
        _require_known_bases(connection, history, fresh, rows)

        batch = _Batch(principal, request.client, request.device, hooks, now, history, connection)
        for mutation in fresh:
            batch.answer(mutation, rows.get((mutation.slice, mutation.id)))
        batch.write()
        latest.keep([batch.answers[m.slice, m.id] for m in fresh if not _names_no_item(m)])
    answers = given | batch.answers
    named = [(mutation.slice, mutation.id) for mutation in request.mutations]
    version = batch.version or _newest_complete(given, named)
    return Outcome(version, [answers[item].answer for item in named], batch.changes)


def _newest_complete(given: Mapping[Item, GivenAnswer], named: Sequence[Item]) -> int | None:
    """The newest version all of whose effects are on the named items.

    A client leaves the changes of such a version out of its next pull. One that was answered in part only
    must not be named, or the client would never hear of the rest.
    """
    asked = set(named)
    partial = {answer.effect for item, answer in given.items() if item not in asked}
    complete = {answer.effect for answer in given.values()} - partial
    return max((version for version in complete if version is not None), default=None)


def _names_no_item(mutation: Mutation | BadMutation) -> bool:
    """Returns true if the slice or the id is one that no row can have: it is not even looked for."""
    return isinstance(mutation, BadMutation) and mutation.code in ("invalid_slice", "invalid_id")


@dataclass
class _Batch:
    """The new mutations of a push on their way into the database."""

    principal: Principal
    client: str
    device: str | None  # its name for people
    hooks: Hooks
    now: int
    history: History
    connection: Connection
    answers: dict[Item, GivenAnswer] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    #: The version of this transaction; None as long as it has no effect.
    version: int | None = None
    _inserts: list[dict[str, Any]] = field(default_factory=list)
    _updates: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, mutation: Mutation | BadMutation, row: StoredItem | None) -> None:
        """Decides about one mutation, and notes its answer and its effect."""
        effects = len(self.changes)
        try:
            if isinstance(mutation, BadMutation):
                raise Rejected(mutation.code, mutation.message)
            fields = self._settled(mutation, row)
        except Rejected as refusal:
            fields = {"status": "rejected", "code": refusal.code, "message": refusal.message}
            fields |= server_side(row, self.principal, self.client)
        self.answers[mutation.slice, mutation.id] = GivenAnswer(
            {"slice": mutation.slice, "id": mutation.id} | fields,
            effect=self.version if len(self.changes) > effects else None,
        )

    def write(self) -> None:
        """Writes the effects that were noted."""
        by: dict[str, Any] = {"tenant": self.principal.tenant, "user": self.principal.user}
        by |= {"client": self.client, "device": self.device}
        if self._inserts:
            self.connection.execute(items.insert(), [row | by for row in self._inserts])
        if self._updates:
            key = [items.c[name] == bindparam(f"at_{name}") for name in ("tenant", "slice", "id")]
            names = ("version", "value", "deleted", "at", "user", "client", "device")
            columns: dict[Any, Any] = {name: bindparam(name) for name in names}
            self.connection.execute(
                items.update().where(*key).values(columns),
                [
                    {f"at_{name}": values.pop(name) for name in ("tenant", "slice", "id")} | values
                    for values in (row | by for row in self._updates)
                ],
            )

    def _settled(self, mutation: Mutation, row: StoredItem | None) -> Answer:
        try:
            effect = decide(mutation, row)
        except Conflict:
            side = server_side(row, self.principal, self.client)
            if "unreadable" in side:
                raise unreadable() from None
            return {"status": "conflict"} | side
        if effect is None:
            return _applied(row)
        change = self._change(mutation, row, effect)
        self._ask_hooks(change)
        kept: Answer = {}
        if not effect.deleted and not strict_json.same(change.value, effect.value):
            kept = {"value": change.value}
            if row is not None and row.holds(change.value):
                return _applied(row) | kept
        self._note(change, row)
        return {"status": "applied", "version": change.version} | kept

    def _change(self, mutation: Mutation, row: StoredItem | None, effect: Effect) -> Change:
        try:
            before = None if row is None else row.value
        except Unreadable:
            before = None
        return Change(
            principal=self.principal,
            slice=mutation.slice,
            id=mutation.id,
            op="delete" if effect.deleted else "put",
            # A hook may change them in place.
            value=copy.deepcopy(effect.value) if self.hooks.get(mutation.slice) else effect.value,
            before=copy.deepcopy(before) if self.hooks.get(mutation.slice) else before,
            at=min(mutation.at, self.now),
        )

    def _ask_hooks(self, change: Change) -> None:
        hooks = self.hooks.get(change.slice, ())
        try:
            for hook in hooks:
                hook(change)
        except Refused as refusal:
            raise Rejected(refusal.code, refusal.message) from None
        if hooks and change.op != "delete":
            try:
                change.value = strict_json.checked(change.value)
                strict_json.sized_text_of(change.value)
            except strict_json.RefusedValue as refusal:
                raise rejected_value("As the server changed it, the", refusal) from None

    def _note(self, change: Change, row: StoredItem | None) -> None:
        text = None if change.op == "delete" else strict_json.text_of(change.value)
        if self.version is None:
            self.version = self.history.next_version(self.connection, self.now)
        change.version = self.version
        values = {
            "slice": change.slice,
            "id": change.id,
            "version": change.version,
            "value": text,
            "deleted": change.op == "delete",
            "at": change.at,
        }
        (self._inserts if row is None else self._updates).append(values)
        self.changes.append(change)


def _applied(row: StoredItem | None) -> Answer:
    assert row is not None  # noqa: S101  (an item without a row is never the way that a mutation wants it)
    return {"status": "applied", "version": row.version}


def _require_known_bases(
    connection: Connection,
    history: History,
    mutations: Sequence[Mutation | BadMutation],
    rows: Mapping[Item, StoredItem],
) -> None:
    bases = set()
    for mutation in mutations:
        row = rows.get((mutation.slice, mutation.id))
        if isinstance(mutation, BadMutation) or mutation.base is None:
            continue
        if row is None or row.version != mutation.base:
            bases.add((mutation.slice, mutation.base))
    history.require_known(connection, bases)
