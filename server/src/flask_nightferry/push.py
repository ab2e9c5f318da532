"""A push: each mutation is compared with what the server has, and applied, in conflict, or rejected.

Effects and answers are one database transaction, and that transaction has at most one version.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from . import strict_json
from .auth import Principal
from .compare import Conflict, Effect, Rejected, decide, rejected_value, unreadable
from .errors import unavailable
from .hooks import Change, Hook, ReadOnly, Refused, ask
from .idempotency import Answer, GivenAnswer, LatestPush
from .patch import Moves
from .rows import Item, StoredItem, Unreadable, find_items, find_versions, server_side
from .schema import items, upsert
from .store import Store, in_one_trip
from .versions import (
    History,
    find_forgettable,
    forget,
    keep_version,
    lock_history,
    next_version,
    read_history,
)
from .wire import BadMutation, Mutation, PushRequest

Hooks = Mapping[str, Sequence[Hook]]  # by slice


@dataclass(frozen=True)
class Outcome:
    """The result of a push."""

    #: Names a transaction of this push, all of whose effects are among `results`: the one that has just been
    #: made, else the newest earlier one. None where there is none.
    version: int | None
    results: list[Answer]  # in the order of the mutations
    changes: list[Change]  # applied now, for the signal
    fresh: list[Answer]  # those of the results that were not given before


#: How often a push is decided at most. It is decided anew where an item that it was to change was changed
#: meanwhile. That item is in conflict then, so the second time is nearly always the last.
ROUNDS = 5

#: The share of pushes that look for versions to forget. Each forgets far more than are made until the next.
FORGET_SHARE = 0.05

_random = random.SystemRandom()


def push(
    store: Store, hooks: Hooks, principal: Principal, request: PushRequest, now: int, horizon: int
) -> Outcome:
    """Answers each mutation. Raises ApiError, and then nothing has changed.

    `now` is in epoch ms, and so is `horizon`, behind which versions may be forgotten.

    Comparing, patches and hooks take their time without the tenant's lock. Under the lock only the versions
    of the items to be changed are compared once more.
    """
    draft = _Draft(principal, request, hooks, now)
    for _ in range(ROUNDS):
        with store.read() as connection:
            draft.look(connection, horizon)
        with ReadOnly(store) as reading:
            draft.decide(reading)
        with store.write() as connection:
            outcome = draft.apply(connection)
        if outcome is not None:
            return outcome
    raise unavailable()


@dataclass(frozen=True)
class _Decision:
    """The outcome of one mutation, as long as its item has not changed since it was read."""

    #: The version that the item had; None where there was no row.
    seen: int | None
    answer: Answer  # without the version where the mutation has an effect
    change: Change | None = None  # the effect


@dataclass
class _Draft:
    """A push on its way: looked up, decided, applied; once more where it was overtaken."""

    principal: Principal
    request: PushRequest
    hooks: Hooks
    now: int
    #: By item. Those with an effect hold only while the item's version is the one that was seen.
    decisions: dict[Item, _Decision] = field(default_factory=dict)
    #: The tenant's last version when the push was first looked up. As long as it is this one, no row is newer
    #: than any that was decided on.
    _last_version: int | None = None
    _undecided: list[Mutation | BadMutation] = field(default_factory=list)
    _rows: dict[Item, StoredItem] = field(default_factory=dict)
    _forgettable: int = 0
    _reading: ReadOnly | None = None

    def look(self, connection: Connection, horizon: int) -> None:
        """Reads what the undecided mutations are about. Raises ApiError."""
        tenant, request = self.principal.tenant, self.request
        bases = {m.base for m in request.mutations if isinstance(m, Mutation) and m.base is not None}
        asked = bases if request.answered is None else bases | {request.answered}
        history = read_history(connection, tenant, asked)  # before the rows
        history.require_answered(request.answered, {mutation.slice for mutation in request.mutations})
        if self._last_version is None:
            self._last_version = history.last_version
        given = self._latest(connection).find(request.n, request.tag)
        self._undecided = [
            m for m in request.mutations if _item(m) not in given and _item(m) not in self.decisions
        ]
        wanted = [_item(m) for m in self._undecided if not _names_no_item(m)]
        self._rows = find_items(connection, tenant, wanted)
        history.require_known(
            [
                (m.slice, m.base)
                for m in self._undecided
                if isinstance(m, Mutation) and m.base is not None and m.base != self._seen(m)
            ]
        )
        if _random.random() < FORGET_SHARE:
            self._forgettable = find_forgettable(connection, history, horizon)

    def decide(self, reading: ReadOnly) -> None:
        """Decides about the mutations that were looked up. Holds no connection: a hook may take its time.
        One that asks for a connection has one for `reading`.

        Raises ApiError (`too_large`).
        """
        moves = Moves()
        self._reading = reading
        for mutation in self._undecided:
            self.decisions[_item(mutation)] = self._decision(mutation, moves)

    def apply(self, connection: Connection) -> Outcome | None:
        """Writes effects and answers; None where an item was changed meanwhile: look at it again."""
        history = lock_history(connection, self.principal.tenant)
        latest = self._latest(connection)
        given = latest.find(self.request.n, self.request.tag)
        fresh = [mutation for mutation in self.request.mutations if _item(mutation) not in given]
        if not self._still_holds(connection, history, fresh):
            return None
        changes = [change for m in fresh if (change := self.decisions[_item(m)].change) is not None]
        version = next_version(history, self.now) if changes else None
        for change in changes:
            change.version = version or 0
            change.connect = None
        answers = {_item(m): self._answer(m, version) for m in fresh}
        with in_one_trip(connection):
            if version is not None:
                keep_version(connection, history.tenant, version)
                connection.execute(
                    upsert(connection.dialect.name, items), [self._row(change) for change in changes]
                )
            if self._forgettable:
                forget(connection, history.tenant, self._forgettable)
            kept = [answers[_item(m)] for m in fresh if not _names_no_item(m)]
            latest.keep(self.request.n, self.request.tag, self.now, kept)
        named = [_item(mutation) for mutation in self.request.mutations]
        every = given | answers
        return Outcome(
            version or _newest_complete(given, named),
            [every[item].answer for item in named],
            changes,
            [given.answer for given in answers.values()],
        )

    def _still_holds(
        self, connection: Connection, history: History, fresh: Sequence[Mutation | BadMutation]
    ) -> bool:
        """Forgets the decisions that were overtaken; returns true if there are none."""
        if any(_item(m) not in self.decisions for m in fresh):
            return False
        with_effect = [_item(m) for m in fresh if self.decisions[_item(m)].change is not None]
        if not with_effect or history.last_version == self._last_version:
            return True
        versions = find_versions(connection, history.tenant, with_effect)
        overtaken = [item for item in with_effect if versions.get(item) != self.decisions[item].seen]
        for item in overtaken:
            del self.decisions[item]
        return not overtaken

    def _decision(self, mutation: Mutation | BadMutation, moves: Moves) -> _Decision:
        row = self._rows.get(_item(mutation))
        seen = None if row is None else row.version
        try:
            if isinstance(mutation, BadMutation):
                raise Rejected(mutation.code, mutation.message)
            return self._compared(mutation, row, moves)
        except Rejected as refusal:
            fields = {"status": "rejected", "code": refusal.code, "message": refusal.message}
            return _Decision(seen, fields | server_side(row, self.principal, self.request.client))

    def _compared(self, mutation: Mutation, row: StoredItem | None, moves: Moves) -> _Decision:
        seen = None if row is None else row.version
        try:
            effect = decide(mutation, row, moves)
        except Conflict:
            side = server_side(row, self.principal, self.request.client)
            if "unreadable" in side:
                raise unreadable() from None
            return _Decision(seen, {"status": "conflict"} | side)
        if effect is None:
            return _Decision(seen, {"status": "applied", "version": seen})
        change = self._change(mutation, row, effect)
        self._ask_hooks(change)
        kept: Answer = {}
        if not effect.deleted and not strict_json.same(change.value, effect.value):
            kept = {"value": change.value}
            if row is not None and row.holds(change.value):
                return _Decision(seen, {"status": "applied", "version": seen} | kept)
        return _Decision(seen, {"status": "applied"} | kept, change)

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
            connect=self._reading.connection if self._reading else None,
        )

    def _ask_hooks(self, change: Change) -> None:
        hooks = self.hooks.get(change.slice, ())
        try:
            for hook in hooks:
                ask(hook, change)
        except Refused as refusal:
            raise Rejected(refusal.code, refusal.message) from None
        if hooks and change.op != "delete":
            try:
                change.value = strict_json.checked(change.value)
                strict_json.sized_text_of(change.value)
            except strict_json.RefusedValue as refusal:
                raise rejected_value("As the server changed it, the", refusal) from None

    def _answer(self, mutation: Mutation | BadMutation, version: int | None) -> GivenAnswer:
        decision = self.decisions[_item(mutation)]
        answer = {"slice": mutation.slice, "id": mutation.id} | decision.answer
        if decision.change is None:
            return GivenAnswer(answer, effect=None)
        return GivenAnswer(answer | {"version": version}, effect=version)

    def _row(self, change: Change) -> dict[str, Any]:
        return {
            "tenant": self.principal.tenant,
            "slice": change.slice,
            "id": change.id,
            "version": change.version,
            "value": None if change.op == "delete" else strict_json.text_of(change.value),
            "deleted": change.op == "delete",
            "at": change.at,
            "user": self.principal.user,
            "client": self.request.client,
            "device": self.request.device,
        }

    def _latest(self, connection: Connection) -> LatestPush:
        return LatestPush(connection, self.principal, self.request.client)

    def _seen(self, mutation: Mutation) -> int | None:
        row = self._rows.get(_item(mutation))
        return None if row is None else row.version


def _item(mutation: Mutation | BadMutation) -> Item:
    return (mutation.slice, mutation.id)


def _names_no_item(mutation: Mutation | BadMutation) -> bool:
    """Returns true if the slice or the id is one that no row can have: it is not even looked for."""
    return isinstance(mutation, BadMutation) and mutation.code in ("invalid_slice", "invalid_id")


def _newest_complete(given: Mapping[Item, GivenAnswer], named: Sequence[Item]) -> int | None:
    """The newest version all of whose effects are on the named items.

    A client leaves the changes of such a version out of its next pull. One that was answered in part only
    must not be named, or the client would never hear of the rest.
    """
    asked = set(named)
    partial = {answer.effect for item, answer in given.items() if item not in asked}
    complete = {answer.effect for answer in given.values()} - partial
    return max((version for version in complete if version is not None), default=None)
