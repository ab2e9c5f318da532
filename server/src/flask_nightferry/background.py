"""Work that no request waits for: one thread for each kind, in the process that has such work."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from .errors import ApiError

logger = logging.getLogger("flask_nightferry")

_END = object()


class Worker:
    """A thread of this process that does things together. It starts with the first."""

    def __init__(
        self, name: str, do: Callable[[list[Any]], None], batch_seconds: float = 0.0, *, failure: str
    ) -> None:
        """`do` gets what was put within `batch_seconds`. `failure` is the log's line where it raises."""
        self._name = name
        self._do = do
        self._batch_seconds = batch_seconds
        self._failure = failure
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self._pid: int | None = None
        self._thread: threading.Thread | None = None
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, thing: Any) -> None:
        """Returns at once."""
        with self._starting:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._queue = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._queue.put(thing)

    def close(self) -> None:
        """Ends the thread when it has done what it was given."""
        if self._thread is not None and self._pid == os.getpid():
            self._queue.put(_END)
            self._closing.set()
            self._thread.join()

    def _run(self) -> None:
        while True:
            things = [self._queue.get()]
            self._closing.wait(self._batch_seconds)
            with contextlib.suppress(queue.Empty):
                while True:
                    things.append(self._queue.get_nowait())
            ends = _END in things
            try:
                if things := [thing for thing in things if thing is not _END]:
                    self._do(things)
            except ApiError:
                pass  # the log has it
            except Exception:
                logger.warning("%s", self._failure, exc_info=True)
            if ends:
                return
