"""What an app can hang in: validation before a change applies, and a signal after it has.

@nightferry.validate("files")
def check(change):
    if change.op != "delete" and not change.value.get("name"):
        raise Refused("A file needs a name.")
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from blinker import Namespace
from sqlalchemy import Connection

from .auth import Principal


@dataclass
class Change:
    """A change of one item: about to be applied (in a hook), or applied (in the signal)."""

    principal: Principal
    slice: str
    id: str
    op: str  # "put", also for a patch, or "delete"
    #: The whole new value; None for a delete. A hook may set another one, which the sender is told.
    value: Any
    #: The value before; None where there was no item.
    before: Any
    #: Epoch ms of the change, as its device says, never in the future.
    at: int
    #: The version that the change has got; 0 in a hook.
    version: int = 0
    #: In a hook, the connection of the push's transaction, to read the app's tables where they are in the
    #: same database. What a hook writes to them is part of the push. None in the signal.
    connection: Connection | None = field(default=None, repr=False, compare=False)


class Refused(Exception):
    """Raised by a hook: this mutation alone is rejected, and the user sees `message`."""

    def __init__(self, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


#: Called with the change in the push's database transaction: be quick, and leave Nightferry's tables alone.
Hook = Callable[[Change], None]

#: Whether this thread is in a hook.
_in_hook: ContextVar[bool] = ContextVar("nightferry_in_hook", default=False)


def ask(hook: Hook, change: Change) -> None:
    """Calls a hook. Raises what it raises."""
    token = _in_hook.set(True)
    try:
        hook(change)
    finally:
        _in_hook.reset(token)


def in_hook() -> bool:
    """Returns true while a hook is called in this thread."""
    return _in_hook.get()


_signals = Namespace()

#: Sent once for each applied change, after the transaction: `item_applied.connect(fn)`, `fn(app,
#: change=Change)`. What a receiver raises is logged and changes nothing.
item_applied = _signals.signal("nightferry-item-applied")
