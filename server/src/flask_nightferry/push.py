"""A push: each mutation is compared with what the server holds, and applied, in conflict, or rejected.

Effects and answers are one database transaction, and that transaction has at most one version.
"""

from __future__ import annotations

import copy
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, bindparam, select

from . import strict_json
from .auth import Principal
from .hooks import Change, Hook, Refused
from .idempotency import Answer, Item, LatestPush
from .patch import PatchFailed, patched
from .schema import items
from .store import Store
from .versions import History, lock_history
from .wire import BadMutation, Mutation, PushRequest

logger = logging.getLogger("flask_nightferry")

Hooks = Mapping[str, Sequence[Hook]]  # by slice


class Rejected(Exception):
    """The mutation is rejected; the others of the push go on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Row:
    """An item as it is stored; with `deleted`, its tombstone."""

    version: int
    text: str | None
    deleted: bool
    at: int

    @cached_property
    def value(self) -> Any:
        """Raises Rejected, where something else than Nightferry wrote the row."""
        try:
            return None if self.text is None else strict_json.checked(strict_json.parse(self.text))
        except ValueError as fault:
            logger.error("a stored item of version %d is not strict JSON: %s", self.version, fault)
            raise Rejected("unreadable", "The server can't read the value that it has stored.") from None


@dataclass(frozen=True)
class Effect:
    """What a mutation does to its item when it applies."""

    deleted: bool
    value: Any = None


def push(
    store: Store, hooks: Hooks, principal: Principal, request: PushRequest, now: int
) -> tuple[list[Answer], list[Change]]:
    """Answer each mutation, in their order, and say what changed. `now` is in epoch ms.

    Raises ApiError, and then nothing has changed.
    """
    with store.write() as connection:
        history = lock_history(connection, principal.tenant)
        latest = LatestPush(connection, principal, request.client)
        answered = latest.open(request.n, request.tag, now)
        fresh = [m for m in request.mutations if isinstance(m, Mutation) and (m.slice, m.id) not in answered]
        rows = _rows(connection, principal.tenant, fresh)
        _require_known_bases(connection, history, fresh, rows)

        batch = _Batch(principal, hooks, now, history, connection)
        for mutation in fresh:
            batch.settle(mutation, rows.get((mutation.slice, mutation.id)))
        batch.write(request.client)
        latest.add(list(batch.answers.values()))
    answered.update(batch.answers)
    return [_answer(mutation, answered) for mutation in request.mutations], batch.changes


def decide(mutation: Mutation, row: Row | None) -> Effect | None:
    """What the mutation does to the item as it is; None where the item is that way already.

    Raises _Conflict and Rejected. This is the whole rule of compare-and-set; it reads and writes nothing.
    """
    exists = row is not None and not row.deleted
    if mutation.op == "delete":
        if exists and row is not None and mutation.base != row.version:
            raise _Conflict
        # Where there is nothing at all, a tombstone is made, to have a version to answer.
        return None if row is not None and row.deleted else Effect(deleted=True)
    if mutation.op == "put":
        return _decide_put(mutation, row, exists)
    if not exists or row is None or mutation.base != row.version:
        raise _Conflict
    value = _patched(row, mutation)
    return None if strict_json.same(value, row.value) else Effect(deleted=False, value=value)


def _decide_put(mutation: Mutation, row: Row | None, exists: bool) -> Effect | None:
    effect = Effect(deleted=False, value=mutation.value)
    if row is not None and exists:
        if _holds(row, mutation.value):
            return None
        if mutation.base != row.version:
            raise _Conflict
        return effect
    if mutation.base is None or (row is not None and mutation.base == row.version):
        return effect
    raise _Conflict


class _Conflict(Exception):
    pass


def _patched(row: Row, mutation: Mutation) -> Any:
    try:
        return patched(row.value, mutation.patch)
    except PatchFailed as failure:
        raise Rejected("invalid_patch", str(failure)) from None
    except strict_json.RefusedValue as refusal:
        raise _rejected_value("With the patch, the", refusal) from None


def _rejected_value(subject: str, refusal: strict_json.RefusedValue) -> Rejected:
    return Rejected("too_large" if refusal.reason == "too_large" else "invalid_value", f"{subject} {refusal}")


def _holds(row: Row, value: Any) -> bool:
    try:
        return strict_json.same(row.value, value)
    except Rejected:
        return False  # unreadable: it may be replaced


@dataclass
class _Batch:
    """The new mutations of a push on their way into the database."""

    principal: Principal
    hooks: Hooks
    now: int
    history: History
    connection: Connection
    answers: dict[Item, Answer] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    _inserts: list[dict[str, Any]] = field(default_factory=list)
    _updates: list[dict[str, Any]] = field(default_factory=list)
    _version: int = 0

    def settle(self, mutation: Mutation, row: Row | None) -> None:
        """Decide about one mutation and note its answer and its effect."""
        item: Answer = {"slice": mutation.slice, "id": mutation.id}
        try:
            answer = self._outcome(mutation, row)
        except Rejected as refusal:
            answer = _rejected(refusal.code, refusal.message)
        self.answers[mutation.slice, mutation.id] = item | answer

    def write(self, client: str) -> None:
        """Write the effects that were noted."""
        by = {"tenant": self.principal.tenant, "user": self.principal.user, "client": client}
        if self._inserts:
            self.connection.execute(items.insert(), [row | by for row in self._inserts])
        if self._updates:
            key = [items.c[name] == bindparam(f"at_{name}") for name in ("tenant", "slice", "id")]
            columns: dict[Any, Any] = {
                name: bindparam(name) for name in ("version", "value", "deleted", "at", "user", "client")
            }
            self.connection.execute(
                items.update().where(*key).values(columns),
                [
                    {f"at_{name}": values.pop(name) for name in ("tenant", "slice", "id")} | values
                    for values in (row | by for row in self._updates)
                ],
            )

    def _outcome(self, mutation: Mutation, row: Row | None) -> Answer:
        try:
            effect = decide(mutation, row)
        except _Conflict:
            return _conflict(row)
        if effect is None:
            return _applied(row)
        change = self._change(mutation, row, effect)
        self._ask_hooks(change)
        kept: Answer = {}
        if not effect.deleted and not strict_json.same(change.value, effect.value):
            kept = {"value": change.value}
            if row is not None and not row.deleted and _holds(row, change.value):
                return _applied(row) | kept
        self._note(change, row)
        return {"status": "applied", "version": change.version} | kept

    def _change(self, mutation: Mutation, row: Row | None, effect: Effect) -> Change:
        try:
            before = None if row is None else row.value
        except Rejected:
            before = None  # unreadable
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
                raise _rejected_value("As the server changed it, the", refusal) from None

    def _note(self, change: Change, row: Row | None) -> None:
        text = None if change.op == "delete" else strict_json.text_of(change.value)
        if not self._version:
            self._version = self.history.next_version(self.connection, self.now)
        change.version = self._version
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


def _applied(row: Row | None) -> Answer:
    assert row is not None  # noqa: S101  (an item without a row is never the way that a mutation wants it)
    return {"status": "applied", "version": row.version}


def _rejected(code: str, message: str) -> Answer:
    return {"status": "rejected", "code": code, "message": message}


def _conflict(row: Row | None) -> Answer:
    """The answer with what the server holds. Raises Rejected where that is unreadable."""
    if row is None:
        return {"status": "conflict", "version": None, "deleted": True, "at": 0}
    what = {"deleted": True} if row.deleted else {"value": row.value}
    return {"status": "conflict", "version": row.version, **what, "at": row.at}


def _answer(mutation: Mutation | BadMutation, answered: Mapping[Item, Answer]) -> Answer:
    if isinstance(mutation, BadMutation):
        # Not stored: it is the same every time.
        item: Answer = {"slice": mutation.slice, "id": mutation.id}
        return item | _rejected(mutation.code, mutation.message)
    return answered[mutation.slice, mutation.id]


def _rows(connection: Connection, tenant: str, mutations: Sequence[Mutation]) -> dict[Item, Row]:
    ids = defaultdict(list)
    for mutation in mutations:
        ids[mutation.slice].append(mutation.id)
    found: dict[Item, Row] = {}
    for slice_, of_slice in ids.items():
        query = select(items.c.id, items.c.version, items.c.value, items.c.deleted, items.c.at).where(
            items.c.tenant == tenant, items.c.slice == slice_, items.c.id.in_(of_slice)
        )
        for row in connection.execute(query):
            found[slice_, row.id] = Row(row.version, row.value, row.deleted, row.at)
    return found


def _require_known_bases(
    connection: Connection, history: History, mutations: Sequence[Mutation], rows: Mapping[Item, Row]
) -> None:
    bases = set()
    for mutation in mutations:
        row = rows.get((mutation.slice, mutation.id))
        if mutation.base is not None and (row is None or row.version != mutation.base):
            bases.add(mutation.base)
    history.require_known(connection, bases)
