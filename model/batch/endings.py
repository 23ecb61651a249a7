"""How the system asks a run to end, and how the run puts that off until things are in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Ended(BaseException):
    """The system asks the run to end, whatever it does. number : of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Endings:
    """Raises Ended in a block where the system asks to end, in place of what Python does; once."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked = 0
        self._is_put_off = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What is ignored stays so, as under nohup.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        # Things are put in order now; whoever cannot wait for that asks once more.
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        if self._is_put_off:
            self._asked = number
        else:
            raise Ended(number)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Raise Ended not before the end of a block."""
        self._is_put_off = True
        try:
            yield
        finally:
            self._is_put_off = False
        if self._asked:
            raise Ended(self._asked)
