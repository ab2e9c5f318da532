"""A pull: a page of changes behind cursors, in the order (version, slice, id)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, and_, bindparam, exists, func, or_, select

from .auth import Principal
from .cursors import START, Cursor, UnreadableCursor, read_cursor
from .errors import ApiError
from .lists import numbers, positions, positions_of
from .rows import StoredItem, read_rows, rows_query, server_side
from .schema import items
from .store import Store
from .versions import History, read_history
from .wire import PullRequest

logger = logging.getLogger("flask_nightferry")

#: A page ends after the item that brings its values to this size, so that an answer stays of the size of a
#: request.
PAGE_BYTES = 4 * 1024 * 1024


def pull(store: Store, principal: Principal, request: PullRequest, read_replica: bool) -> dict[str, Any]:
    """The fields of the answer, without protocol and principal.

    Raises ApiError: `history_changed` and `cursor_expired`, or in their place, over a read replica,
    `unavailable`.
    """
    cursors: dict[str, Cursor | None] = {}
    unreadable = []
    for name, text in request.slices.items():
        try:
            cursors[name] = None if text is None else read_cursor(text)
        except UnreadableCursor:
            unreadable.append(name)
    with store.read() as connection:
        asked = [cursor.version for cursor in cursors.values() if cursor is not None]
        if request.answered is not None:
            asked.append(request.answered)
        history = read_history(connection, principal.tenant, asked)
        # A read replica may not have come to it yet.
        is_ahead = read_replica and (request.answered or 0) > history.last_version
        answered = None if is_ahead else request.answered
        ahead = _slices_ahead(history, cursors) if read_replica else set()
        reached = {name: cursor for name, cursor in cursors.items() if name not in ahead}
        try:
            history.require_answered(answered, request.slices)
            _require_usable(history, reached, unreadable)
        except ApiError as error:
            raise _behind_its_database() if read_replica else error from None
        page = _page(connection, history, principal, request, reached)
    page["cursors"] |= {name: request.slices[name] for name in ahead}
    return {"version": history.last_version or None} | page


def _slices_ahead(history: History, cursors: Mapping[str, Cursor | None]) -> set[str]:
    """The slices whose cursors a read replica has not come to yet. There is nothing new in them.

    Raises ApiError `unavailable` for a pull that was begun over newer data and has more pages: it would seem
    to be complete.
    """
    ahead = {
        name: cursor
        for name, cursor in cursors.items()
        if cursor is not None and max(cursor.version, cursor.whole_through) > history.last_version
    }
    if any(cursor.midway for cursor in ahead.values()):
        raise _behind_its_database()
    return set(ahead)


def _behind_its_database() -> ApiError:
    return ApiError(
        "unavailable", "This server reads a copy of the database that is behind. Ask again, or ask another."
    )


def _require_usable(
    history: History, cursors: Mapping[str, Cursor | None], unreadable: Sequence[str]
) -> None:
    named = [(name, cursor.version) for name, cursor in cursors.items() if cursor is not None]
    # First, as a device that rebuilds after `history_changed` keeps more than after `cursor_expired`.
    history.require_known([(name, version) for name, version in named if version > 0])
    expired = [
        name
        for name, cursor in cursors.items()
        if cursor is not None
        and cursor.version <= history.forgotten_through
        and not _is_from_start(cursor, history)
    ]
    if expired and history.forgotten_through:
        raise ApiError(
            "cursor_expired",
            "The server no longer remembers deletions as old as this cursor. Rebuild with a full pull.",
            slices=[*expired, *unreadable],
        )
    if unreadable:
        # The client pulls from the beginning. A plain refusal would leave it stuck for ever.
        raise ApiError(
            "cursor_expired",
            "This server can't read a cursor of the request. Rebuild with a full pull.",
            slices=unreadable,
        )


def _is_from_start(cursor: Cursor, history: History) -> bool:
    """True if the cursor is within a pull from the beginning that no forgotten deletion can have escaped.

    Such a pull passes versions that are older than the horizon. All deletions since it began are remembered.
    """
    return cursor.midway and cursor.whole_through >= history.forgotten_through


def _page(
    connection: Connection,
    history: History,
    principal: Principal,
    request: PullRequest,
    cursors: Mapping[str, Cursor | None],
) -> dict[str, Any]:
    # In a slice without a cursor nothing is left out as far as the history goes now, however many pages that
    # takes: after a rebuild, what a device was not sent is not there.
    starts = {
        name: Cursor(0, None, whole_through=history.last_version) if cursor is None else cursor
        for name, cursor in cursors.items()
    }
    first = all(cursor is None or not cursor.midway for cursor in cursors.values())
    behind = _behind(principal.tenant, starts, history.last_version, request.mine)

    changes: list[dict[str, Any]] = []
    more, last = False, None
    if starts:
        query = _page_query(connection.dialect.name)
        rows = read_rows(connection, query, behind | {"limit": request.limit + 1}, PAGE_BYTES)
        for count, (row, size) in enumerate(rows):
            if count >= request.limit or size >= PAGE_BYTES:
                more = True
                break
            last = row
            change = _change(row, principal, request.client)
            if change is not None:
                changes.append(change)
    page: dict[str, Any] = {
        "cursors": {name: _next(name, start, last, more, history).text() for name, start in starts.items()},
        "more": more,
    }
    if first:
        page["total"] = connection.scalar(_TOTAL, behind) if more else len(changes)
    return page | {"changes": changes}


def _behind(
    tenant: str, starts: Mapping[str, Cursor], last_version: int, mine: Collection[int]
) -> dict[str, Any]:
    """The parameters of `_IS_BEHIND`."""
    whole_through = max((cursor.whole_through for cursor in starts.values()), default=0)
    return {
        "tenant": tenant,
        "lowest": min((cursor.version for cursor in starts.values()), default=0),
        "last_version": last_version,
        "reached": positions_of((name, cursor.version, cursor.id) for name, cursor in starts.items()),
        "mine": [version for version in mine if whole_through < version <= last_version],
    }


_REACHED = positions("reached")
_IS_BEHIND = and_(
    items.c.tenant == bindparam("tenant"),
    # The bounds on the version are what the index is searched with.
    items.c.version.between(bindparam("lowest"), bindparam("last_version")),
    exists().where(
        _REACHED.c.slice == items.c.slice,
        or_(
            items.c.version > _REACHED.c.version,
            and_(items.c.version == _REACHED.c.version, items.c.id > _REACHED.c.id),
        ),
    ),
    items.c.version.not_in(numbers("mine")),
)
_TOTAL = select(func.count()).select_from(items).where(_IS_BEHIND)


@functools.cache
def _page_query(dialect: str) -> Select[Any]:
    return rows_query(dialect, _IS_BEHIND).limit(bindparam("limit", type_=Integer))


def _change(row: Row[Any], principal: Principal, client: str) -> dict[str, Any] | None:
    side = server_side(StoredItem.of(row), principal, client)
    if "unreadable" in side:
        # One item that something else wrote must not stop everyone's pull.
        logger.error("the item %r of slice %s is left out: it can't be read", row.id, row.slice)
        return None
    return {"slice": row.slice, "id": row.id} | side


def _next(name: str, start: Cursor, last: Row[Any] | None, more: bool, history: History) -> Cursor:
    """The cursor of the slice `name` behind a page whose last row is `last`."""
    if not more or last is None:
        # Not at the last item but at the last transaction: a slice where nothing happens stays within the
        # horizon.
        return Cursor(history.last_version, None) if history.last_version else START
    if name == last.slice:
        reached = (last.version, last.id)
    else:
        # The order has slices within a version: those before `last` have been sent in it, those after have
        # not.
        reached = (last.version, None if name < last.slice else "")
    if _order(start.version, start.id) > _order(*reached):
        reached = (start.version, start.id)
    return Cursor(*reached, whole_through=start.whole_through, midway=True)


def _order(version: int, id_: str | None) -> tuple[int, bool, str]:
    return (version, id_ is None, id_ or "")
