"""Hooks of the app: validation before a change applies, and a signal after it has.

@nightferry.validate("files")
def check(change):
    if change.op != "delete" and not change.value.get("name"):
        raise Refused("A file needs a name.")
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from blinker import Namespace
from sqlalchemy import Connection

from .auth import Principal
from .store import Store


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
    #: Gives `connection`; None outside hooks.
    connect: Callable[[], Connection] | None = field(default=None, repr=False, compare=False)

    @property
    def connection(self) -> Connection:
        """In a hook, a transaction that reads the app's tables where they are in the same database.

        It begins when it is first asked for, and ends when all hooks of the push have answered. It writes
        nothing. Raises RuntimeError outside a hook.
        """
        if self.connect is None:
            raise RuntimeError("Only a hook has a connection. The push is committed by now.")
        return self.connect()


class Refused(Exception):
    """Raised by a hook: this mutation alone is rejected, and the user sees `message`."""

    def __init__(self, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


#: Called with a change before the transaction of its push, and once more where another change was faster.
Hook = Callable[[Change], None]


class ReadOnly:
    """The transaction in which the hooks of one push read. A context that begins it when it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stack = ExitStack()
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """The transaction's connection. Raises ApiError."""
        if self._connection is None:
            self._connection = self._stack.enter_context(self._store.read_only())
        return self._connection

    def __enter__(self) -> ReadOnly:
        return self

    def __exit__(self, *fault: Any) -> bool | None:
        return self._stack.__exit__(*fault)


#: True while this thread is in a hook.
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
#: change=Change)`. An exception of a receiver is logged and changes nothing.
item_applied = _signals.signal("nightferry-item-applied")
