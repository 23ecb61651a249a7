"""How much is done at once in one process: without a bound, each sender would wait for all before."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from model.errors import Busy
from webapp.doors.access import who_asks

EXTENSION = "groundglass-places"

MOST = 16
"""CT slices. One takes some 60 ms of two cores: with two processes the last of them waits two seconds. Half
of the threads of a process stay free for pages, pictures and whoever is turned away."""

CT_SLICE_PX = 512 * 512

AGAIN_IN_S = 2
"""About as long as those who have the places take."""


class Room:
    """Room for so much work at once. Who finds none waits for a short time, unless others wait already."""

    def __init__(self, most: int, *, of_one: int, sentence: str, wait_s: float = 0.0, most_waiting: int = 0) -> None:
        """Make room.

        most : in any unit; `of_one` : the most of it that one client has. What is larger by itself takes all of that.
        sentence : what those are told who find none.
        """
        self._most, self._of_one, self._sentence = most, of_one, sentence
        self._wait_s, self._most_waiting = wait_s, most_waiting
        self._taken: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._change = threading.Condition()

    @contextmanager
    def taken(self, size: int = 1, client: str = "") -> Iterator[None]:
        """Take room for the length of a block.

        Raises
        ------
        Busy : there is none, and too many wait, or it took too long.
        """
        size = min(size, self._of_one)
        with self._change:
            if not self._has_room(size, client) and not self._waited(size, client):
                raise Busy(self._sentence, retry_after_s=AGAIN_IN_S)
            self._taken[client] += size
        try:
            yield
        finally:
            with self._change:
                self._taken[client] -= size
                # Forgets who has none.
                self._taken = +self._taken
                self._change.notify_all()

    def _has_room(self, size: int, client: str) -> bool:
        return self._taken.total() + size <= self._most and self._taken[client] + size <= self._of_one

    def _waited(self, size: int, client: str) -> bool:
        """Wait; return whether there is room. Of one client, half of those may wait who may wait at all."""
        is_full = self._waiting.total() >= self._most_waiting
        if is_full or self._waiting[client] >= max(1, self._most_waiting // 2):
            return False
        self._waiting[client] += 1
        try:
            return self._change.wait_for(lambda: self._has_room(size, client), self._wait_s)
        finally:
            self._waiting[client] -= 1
            self._waiting = +self._waiting


class Places:
    """Those who read a slice, or wait for the network to read it; a large picture counts as several slices.

    The network takes as long for it, but all that is calculated at its own size takes memory by its pixels.
    """

    def __init__(self, most: int = MOST) -> None:
        # The last is for somebody else.
        self._room = Room(
            most,
            of_one=max(1, most - 1),
            sentence="The server reads as many slices as it can. Send this one again in a moment.",
        )

    @contextmanager
    def taken(self, shape: tuple[int, int]) -> Iterator[None]:
        """Take a place for the length of a block.

        shape : (H, W) of the slice.

        Raises
        ------
        Busy : none is free.
        """
        height, width = shape
        with self._room.taken(math.ceil(height * width / CT_SLICE_PX), who_asks()):
            yield


def current_places() -> Places:
    """Return the places of the current app."""
    places: Places = current_app.extensions[EXTENSION]
    return places
