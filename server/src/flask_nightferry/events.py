"""The log: its lines at INFO for what people ask about, and whose request a line is about.

All of the package logs by the one logger `flask_nightferry`. A line that is written while a request is
answered has its tenant, user and client; lines about a change have slice and id, too. A line never has a
value, nor the sentence of a hook, which may quote one. The same fields are in `record.nightferry`, a dict.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from flask import Blueprint

from .auth import Principal
from .errors import ApiError

logger = logging.getLogger("flask_nightferry")

#: Whose request this thread answers: `tenant`, `user`, and `client` once it is read.
_asking: ContextVar[Mapping[str, str] | None] = ContextVar("nightferry_asking", default=None)


def asked_by(principal: Principal, client: str | None = None) -> None:
    """Says whose request the lines are about that this thread logs until the request ends."""
    _asking.set(_names(principal, client))


def forget_who_asks(routes: Blueprint) -> None:
    """Ends what `asked_by` began, with each request."""

    def forget(_fault: BaseException | None) -> None:
        _asking.set(None)

    routes.teardown_request(forget)


def log_answers(principal: Principal, client: str, answers: Iterable[dict[str, Any]]) -> None:
    """Logs the refusals and conflicts among answers that are given for the first time."""
    if not logger.isEnabledFor(logging.INFO):
        return
    for answer in answers:
        if answer["status"] == "conflict":
            what = "conflict"
        elif answer["status"] == "rejected":
            what = f"refused ({answer['code']})"
        else:
            continue
        slice_, id_ = answer["slice"], answer["id"]
        who = _names(principal, client)
        fields = {**who, "slice": slice_, "id": id_}
        logger.info(
            f"%s: {_FORMS[len(who)]}, slice %r, id %r",
            *(what, *who.values(), slice_, id_),
            extra={"nightferry": fields},
        )


def log_rebuild(principal: Principal, client: str, error: ApiError) -> None:
    """Logs an error that makes a device rebuild slices."""
    who = _names(principal, client)
    logger.info(
        f"rebuild (%s): {_FORMS[len(who)]}, slices %s",
        *(error.code, *who.values(), ", ".join(error.slices)),
        extra={"nightferry": {**who, "slices": error.slices}},
    )


#: How names are written, by their number.
_FORMS = {2: "tenant %r, user %r", 3: "tenant %r, user %r, client %s"}


def _names(principal: Principal, client: str | None) -> dict[str, str]:
    names = {"tenant": principal.tenant, "user": principal.user}
    return names if client is None else {**names, "client": client}


class _Asking(logging.Filter):
    """Adds to a line whose request it is about."""

    def filter(self, record: logging.LogRecord) -> bool:
        if hasattr(record, "nightferry"):
            return True  # it says so itself
        who = _asking.get()
        record.nightferry = dict(who or {})
        if who and isinstance(record.args, tuple):
            record.msg = f"{record.msg}: {_FORMS[len(who)]}"
            record.args = (*record.args, *who.values())
        return True


logger.addFilter(_Asking())
