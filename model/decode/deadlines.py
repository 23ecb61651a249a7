"""What is to happen where something takes too long: one thread for all, since starting one for each takes as long."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

LOOKED_AT_EVERY_S = 0.1


class Deadlines:
    """Calls a function where a block takes too long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[object, tuple[float, Callable[[], None]]] = {}
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def within(self, seconds: float, late: Callable[[], None]) -> Iterator[None]:
        """Call `late` once, in a thread, where the block lasts longer than so many seconds, up to a tenth more."""
        key = object()
        try:
            with self._lock:
                self._pending[key] = time.monotonic() + seconds, late
                self._look_from_now_on()
            yield
        finally:
            with self._lock:
                self._pending.pop(key, None)

    def forget(self) -> None:
        """Begin anew, in a process that was forked."""
        self._lock, self._pending, self._thread = threading.Lock(), {}, None

    def _look_from_now_on(self) -> None:
        # Not before: threads do not survive the fork of a server's process, and look dead after it.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="deadlines", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        while True:
            time.sleep(LOOKED_AT_EVERY_S)
            now = time.monotonic()
            with self._lock:
                # Called under the lock: a block that has ended is not called for any more.
                for key in [key for key, (until, _) in self._pending.items() if until <= now]:
                    _, late = self._pending.pop(key)
                    _call(late)


def _call(late: Callable[[], None]) -> None:
    try:
        late()
    except Exception:
        # Others wait for this thread.
        log.exception("what took too long could not be ended")


DEADLINES = Deadlines()
"""Of this process."""

if hasattr(os, "register_at_fork"):
    # What is pending is its parent's.
    os.register_at_fork(after_in_child=DEADLINES.forget)
