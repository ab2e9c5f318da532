"""What each client was answered last, so that a push whose answer was lost can be sent again without effect.

By client, the latest push (`n`, `tag`) and its answers by item are kept, written in the transaction of the
push.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from .auth import Principal
from .errors import ApiError
from .schema import answers, clients
from .strict_json import text_of

Item = tuple[str, str]  # slice, id
Answer = dict[str, Any]


@dataclass(frozen=True)
class LatestPush:
    """The answers to one client of one principal; another principal's of the same name is another."""

    connection: Connection
    principal: Principal
    client: str

    def open(self, n: int, tag: str, now: int) -> dict[Item, Answer]:
        """Begin the push `n`, or find the answers that it already got. `now` is in epoch ms.

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

    def add(self, new: list[Answer]) -> None:
        """Keep answers to the push that is open."""
        if new:
            self.connection.execute(
                answers.insert(),
                [{**self._key(), "slice": a["slice"], "id": a["id"], "answer": text_of(a)} for a in new],
            )

    def _stored(self) -> dict[Item, Answer]:
        rows = self.connection.execute(
            select(answers.c.slice, answers.c.id, answers.c.answer).where(self._is_mine(answers))
        )
        return {(row.slice, row.id): json.loads(row.answer) for row in rows}

    def _key(self) -> dict[str, str]:
        return {"tenant": self.principal.tenant, "user": self.principal.user, "client": self.client}

    def _is_mine(self, table: Any) -> Any:
        return and_(*(table.c[name] == value for name, value in self._key().items()))
