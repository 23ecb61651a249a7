"""How long reading a slice took lately, so that a page can say how long it will take."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

EXTENSION = "groundglass-pace"

_KEPT = 9


class Pace:
    """The seconds that the last slices took in this process, those of quality mode apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[bool, deque[float]] = {quality: deque(maxlen=_KEPT) for quality in (False, True)}

    @contextmanager
    def timing(self, *, quality: bool) -> Iterator[None]:
        """Remember how long the block took, unless it raises."""
        began = time.monotonic()
        yield
        self.add(time.monotonic() - began, quality=quality)

    def add(self, seconds: float, *, quality: bool) -> None:
        """Remember how long a slice took."""
        with self._lock:
            self._seconds[quality].append(seconds)

    def seconds(self, *, quality: bool) -> float | None:
        """Return the median of the last slices in seconds; None where none was read yet."""
        with self._lock:
            kept = self._seconds[quality]
            return statistics.median(kept) if kept else None


def current_pace() -> Pace:
    """Return the pace of the current app."""
    pace: Pace = current_app.extensions[EXTENSION]
    return pace
