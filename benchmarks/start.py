"""How long it takes from nothing until weights are ready, and until the first slice is answered; fresh processes."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.figures import Figures, spread
from benchmarks.serving import ROOT
from benchmarks.starting import STARTS


def measure(*, quick: bool) -> Figures:
    """Return seconds by what was started and how far it was. The first turn, which reads files, does not count."""
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in STARTS}
    for number in range(2 if quick else 6):
        for name in STARTS:
            for what, second in start(name).items():
                if number > 0:
                    seconds[name].setdefault(what, []).append(second)
    return {name: {what: spread(values) for what, values in told.items()} for name, told in seconds.items()}


def start(name: str) -> dict[str, float]:
    """Start a process of `benchmarks.starting`; return the seconds from then until it told each thing.

    Raises
    ------
    RuntimeError : it failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.starting", name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        told = {line.strip(): time.perf_counter() - began for line in process.stdout}
    if process.returncode:
        raise RuntimeError(f"it failed. See why: python -m benchmarks.starting {name}")
    return told
