"""Processes that share the cores of a machine, and how much each asks of its network now: a byte of memory for each."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PLACES = 256
_MOST = 254
"""What a byte can hold beside the 1 of a process that asks nothing, since 0 is nobody's."""
_NOBODY, _NOT_ASKING = b"\0", b"\0\1"


class Company:
    """Processes forked from the one that made it. One that has not joined is alone in the first place."""

    def __init__(self) -> None:
        # Of no file: shared with whoever is forked from here.
        self._places = mmap.mmap(-1, PLACES)
        self._own, self._asking, self._lock = 0, 0, threading.Lock()

    def join(self, number: int) -> None:
        """Take the place of the process of a number, 1 or more; called in that process."""
        self._own = _place(number)
        self._add(0)

    def leave(self, number: int) -> None:
        """Give the place of a process up: it has ended, perhaps while it asked."""
        self._places[_place(number)] = 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Be counted for the length of a block."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, threads: int) -> None:
        with self._lock:
            self._asking += threads
            self._places[self._own] = 1 + min(self._asking, _MOST)

    def asked(self) -> int:
        """Return how many processes ask something now."""
        return len(self._places[:].translate(None, _NOT_ASKING))

    def is_busier(self) -> bool:
        """Whether another process asks less than this one."""
        places = self._places[:]
        others = (places[: self._own] + places[self._own + 1 :]).translate(None, _NOBODY)
        return bool(others) and min(others) < places[self._own]


def _place(number: int) -> int:
    """Return the place of a process; numbers grow for as long as a server runs, of which few processes live at once.

    >>> _place(1), _place(255), _place(256)
    (1, 255, 1)
    """
    return 1 + (number - 1) % (PLACES - 1)
