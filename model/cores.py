"""How many processor cores this process may use."""

from __future__ import annotations

import os

CORES = "GROUNDGLASS_CORES"
"""Variable of the environment by which a process that shares a machine with others of its kind is told its part."""


def usable_cores() -> int:
    """Return on how many cores the system lets this process run, and its part of them where it was told one.

    All of the machine's where the system tells none.
    """
    let = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(let, told_cores() or let))


def told_cores() -> int:
    """Return this process's part of the cores; 0 where it was told none."""
    told = os.environ.get(CORES, "")
    return int(told) if told.isdecimal() else 0
