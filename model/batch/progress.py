"""How far a batch is: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

from tqdm import tqdm

QUIET_S = 60.0
"""How often a line is written where no terminal shows a bar."""


class _Patient(io.TextIOBase):
    """Standard error, also where whoever reads it has gone: that is no reason to end a batch."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def fileno(self) -> int:
        return sys.stderr.fileno()


_ERRORS = _Patient()


def open_errors() -> None:
    """Open standard error where it is closed: the next file that is opened would take its place."""
    if sys.stderr is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        # Which the file is not by itself, where it got the number at once.
        os.set_inheritable(2, True)
        sys.stderr = os.fdopen(2, "w")


def progress(*, unit: str, total: int | None = None, done: int = 0, **how: Any) -> tqdm[Any]:
    """Return a bar; `how` as tqdm takes it."""
    every_s = 0.1 if _ERRORS.isatty() else QUIET_S
    return tqdm(total=total, initial=done, unit=unit, mininterval=every_s, maxinterval=QUIET_S, file=_ERRORS, **how)


def say(sentence: str) -> None:
    """Write a line to standard error, above the bar where there is one."""
    tqdm.write(sentence, file=_ERRORS)
