"""How far a batch is: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from tqdm import tqdm

QUIET_S = 60.0
"""How often a line is written where no terminal shows a bar."""


def progress(*, unit: str, total: int | None = None, done: int = 0, **how: Any) -> tqdm[Any]:
    """Return a bar; `how` as tqdm takes it."""
    every_s = 0.1 if sys.stderr.isatty() else QUIET_S
    return tqdm(total=total, initial=done, unit=unit, mininterval=every_s, maxinterval=QUIET_S, **how)


def say(sentence: str) -> None:
    """Write a line to standard error, above the bar where there is one; nobody may be there to read it."""
    with suppress(OSError):
        tqdm.write(sentence, file=sys.stderr)
