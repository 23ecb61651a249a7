"""How much of the machine others had while something was measured."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")


class Watch:
    """Begins when it is made, and ends when it is asked."""

    def __init__(self) -> None:
        self._began, self._busy, self._ours = time.monotonic(), busy_s(STAT), _ours_s()

    def others_cores(self) -> float | None:
        """Return how many cores others have used on the mean: not this process, nor any that it started and that ended.

        What the machine's own host took away counts, too. None where the system does not tell.
        """
        busy = busy_s(STAT)
        if busy is None or self._busy is None:
            return None
        return (busy - self._busy - (_ours_s() - self._ours)) / (time.monotonic() - self._began)


def busy_s(stat: Path) -> float | None:
    """Return the seconds that all cores together have been busy or taken away, by a file like Linux' /proc/stat."""
    if not stat.exists():
        return None
    _, *counts = stat.read_text().splitlines()[0].split()
    user, nice, system, _idle, _waits, interrupts, soft, stolen = map(int, counts[:8])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def _ours_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
