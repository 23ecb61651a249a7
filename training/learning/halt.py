"""An order to stop, kept until the work is at a place where it can be left."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Halted(Exception):
    """Somebody has ordered to stop, by the signal of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.status = 128 + number


class Halt:
    """Whether somebody has."""

    def __init__(self) -> None:
        self.number = 0

    def check(self) -> None:
        """Raise Halted if so."""
        if self.number:
            raise Halted(self.number)


@contextlib.contextmanager
def heeding_signals() -> Iterator[Halt]:
    """Keep the first order to stop; the second one acts at once, as it would without this."""
    halt = Halt()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def keep(number: int, frame: FrameType | None) -> None:
        halt.number = number
        give_back()

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in SIGNALS:
        signal.signal(number, keep)
    try:
        yield halt
    finally:
        give_back()
