"""The latest push of each client and its answers, so that a push whose answer was lost can be sent again.

By client, the latest push (`n`, `tag`) and its answers by item are kept, written in the transaction of the
push. Parts of a push are answered from there too, and items that were not sent with it before are added.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, exists, not_, select

from .auth import Principal
from .errors import ApiError
from .rows import Item
from .schema import answers, clients, upsert
from .strict_json import text_of

Answer = dict[str, Any]


@dataclass(frozen=True)
class GivenAnswer:
    """The answer to one mutation, as it is sent every time."""

    answer: Answer
    #: The version that the mutation made; None where it had no effect.
    effect: int | None


@dataclass(frozen=True)
class LatestPush:
    """The latest push of one client of one principal; another principal's client of that name is another."""

    connection: Connection
    principal: Principal
    client: str

    def find(self, n: int, tag: str) -> dict[Item, GivenAnswer]:
        """Returns the answers that this push was already given; none where it is new.

        Raises ApiError `client_forked` for another push with this n, or a lower n.
        """
        rows = self.connection.execute(_FIND, self._mine(n, tag)).all()
        if rows and (rows[0].n, rows[0].tag) != (n, tag) and n <= rows[0].n:
            raise ApiError(
                "client_forked",
                "This client id has sent another push with this number, or a later one. Take a new client "
                "id and send again.",
            )
        return {
            (row.slice, row.id): GivenAnswer(json.loads(row.answer), row.effect)
            for row in rows
            if row.answer is not None
        }

    def keep(self, n: int, tag: str, now: int, new: Sequence[GivenAnswer]) -> None:
        """Makes this push the latest one and adds these answers to it. `now` is in epoch ms."""
        self.connection.execute(_FORGET_OTHERS, self._mine(n, tag))
        row = {**self._key(), "n": n, "tag": tag, "seen_at": now}
        self.connection.execute(upsert(self.connection.dialect.name, clients), row)
        if new:
            self.connection.execute(answers.insert(), [self._row(given) for given in new])

    def _row(self, given: GivenAnswer) -> dict[str, Any]:
        item = {"slice": given.answer["slice"], "id": given.answer["id"]}
        return {**self._key(), **item, "answer": text_of(given.answer), "effect": given.effect}

    def _key(self) -> dict[str, str]:
        return {"tenant": self.principal.tenant, "user": self.principal.user, "client": self.client}

    def _mine(self, n: int, tag: str) -> dict[str, Any]:
        return {f"my_{name}": value for name, value in {**self._key(), "n": n, "tag": tag}.items()}


_KEY = ("tenant", "user", "client")


def _is_mine(table: Table, *names: str) -> ColumnElement[bool]:
    return and_(*(table.c[name] == bindparam(f"my_{name}") for name in names))


_FIND = (
    select(clients.c.n, clients.c.tag, answers.c.slice, answers.c.id, answers.c.answer, answers.c.effect)
    .outerjoin_from(
        clients,
        answers,
        and_(*(answers.c[name] == clients.c[name] for name in _KEY), _is_mine(clients, "n", "tag")),
    )
    .where(_is_mine(clients, *_KEY))
)
_FORGET_OTHERS = answers.delete().where(
    _is_mine(answers, *_KEY), not_(exists().where(_is_mine(clients, *_KEY, "n", "tag")))
)
