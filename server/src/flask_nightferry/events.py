"""Lines of the log, at INFO, for what people ask about: a refused change, a conflict, a device that rebuilds.

A line has tenant, user, client, slice and id. It never has a value, nor the sentence of a hook, which may
quote one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from .auth import Principal
from .errors import ApiError

logger = logging.getLogger("flask_nightferry")


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
        logger.info(
            "%s: tenant %r, user %r, client %s, slice %r, id %r",
            what,
            principal.tenant,
            principal.user,
            client,
            answer["slice"],
            answer["id"],
        )


def log_rebuild(principal: Principal, client: str, error: ApiError) -> None:
    """Logs an error that makes a device rebuild slices."""
    logger.info(
        "rebuild (%s): tenant %r, user %r, client %s, slices %s",
        error.code,
        principal.tenant,
        principal.user,
        client,
        ", ".join(error.slices),
    )
