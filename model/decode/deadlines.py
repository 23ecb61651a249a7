"""What is to happen where something takes too long: one thread for all, since starting one for each takes as long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

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
        with self._lock:
            self._pending[key] = time.monotonic() + seconds, late
            # Not before: threads do not survive the fork of a server's process, and look dead after it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="deadlines", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._pending.pop(key, None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOKED_AT_EVERY_S)
            now = time.monotonic()
            with self._lock:
                # Called under the lock: a block that has ended is not called for any more.
                for key in [key for key, (until, _) in self._pending.items() if until <= now]:
                    _, late = self._pending.pop(key)
                    late()


DEADLINES = Deadlines()
"""Of this process."""
