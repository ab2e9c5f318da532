"""The latest push of each client and its answers, so that a push whose answer was lost can be sent again.

By client, the latest push (`n`, `tag`) and its answers by item are kept, written in the transaction of the
push. Parts of a push are answered from there too, and items that were not sent with it before are added.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from .auth import Principal
from .errors import ApiError
from .rows import Item
from .schema import answers, clients
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

    def begin(self, n: int, tag: str, now: int) -> dict[Item, GivenAnswer]:
        """Begins the push `n`, or returns the answers that it was already given. `now` is in epoch ms.

        Raises ApiError `client_forked` for another push with this n, or a lower n.
        """
        latest = self.connection.execute(
            select(clients.c.n, clients.c.tag).where(self._is_mine(clients))
        ).one_or_none()
        if latest is None:
            self.connection.execute(clients.insert(), {**self._key(), "n": n, "tag": tag, "seen_at": now})
            return {}
        if (n, tag) == (latest.n, latest.tag):
            return self._stored()
        if n <= latest.n:
            raise ApiError(
                "client_forked",
                "This client id has sent another push with this number, or a later one. Take a new client "
                "id and send again.",
            )
        self.connection.execute(answers.delete().where(self._is_mine(answers)))
        self.connection.execute(
            clients.update().where(self._is_mine(clients)).values(n=n, tag=tag, seen_at=now)
        )
        return {}

    def keep(self, new: Sequence[GivenAnswer]) -> None:
        """Stores answers to the push that was begun."""
        if new:
            self.connection.execute(answers.insert(), [self._row(given) for given in new])

    def _stored(self) -> dict[Item, GivenAnswer]:
        rows = self.connection.execute(
            select(answers.c.slice, answers.c.id, answers.c.answer, answers.c.effect).where(
                self._is_mine(answers)
            )
        )
        return {(row.slice, row.id): GivenAnswer(json.loads(row.answer), row.effect) for row in rows}

    def _row(self, given: GivenAnswer) -> dict[str, Any]:
        item = {"slice": given.answer["slice"], "id": given.answer["id"]}
        return {**self._key(), **item, "answer": text_of(given.answer), "effect": given.effect}

    def _key(self) -> dict[str, str]:
        return {"tenant": self.principal.tenant, "user": self.principal.user, "client": self.client}

    def _is_mine(self, table: Any) -> Any:
        return and_(*(table.c[name] == value for name, value in self._key().items()))
