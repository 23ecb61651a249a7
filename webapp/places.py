"""How many slices may be read or wait in one process: without a bound, each sender would wait for all before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from model.errors import Busy

EXTENSION = "groundglass-places"

MOST = 4
"""A slice takes a quarter of a second of two cores: with two processes the last of them waits some two seconds. Most of
the threads of a process stay free for pages, pictures and whoever is turned away."""

AGAIN_IN_S = 2
"""About as long as those who have the places take."""


class Places:
    """Those who read a slice, or wait for the network to read it."""

    def __init__(self, most: int = MOST) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the length of a block.

        Raises
        ------
        Busy : none is free.
        """
        if not self._free.acquire(blocking=False):
            raise Busy(
                "The server reads as many slices as it can. Send this one again in a moment.", retry_after_s=AGAIN_IN_S
            )
        try:
            yield
        finally:
            self._free.release()


def current_places() -> Places:
    """Return the places of the current app."""
    places: Places = current_app.extensions[EXTENSION]
    return places
