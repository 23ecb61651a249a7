"""The command line as a whole process: its seconds, and the most memory that it held."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import ROOT
from benchmarks.weights import SERVED_WEIGHTS

KB = 1024 if sys.platform != "darwin" else 1
"""In which the system states how much memory a process has held."""


@dataclass(frozen=True)
class Ran:
    """A process that ended. peak_mb : in millions of bytes; of itself, not of processes that it has started."""

    seconds: float
    peak_mb: float


def segment(file: Path, out: Path) -> Ran:
    """Let `python -m model segment` read a file with the served weights; raises RuntimeError where it fails."""
    return run("-m", "model", *segment_arguments(file, out))


def segment_arguments(file: Path, out: Path) -> list[str]:
    """Return the command of `python -m model` for that."""
    return ["segment", str(file), "--out", str(out), "--weights", str(SERVED_WEIGHTS)]


def run(*arguments: str) -> Ran:
    """Run Python with arguments; raises RuntimeError with what it wrote where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    with process.stderr:
        said = process.stderr.read()
    # Not process.wait, which does not tell the memory.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}: {said[-2000:]}")
    return Ran(seconds, usage.ru_maxrss * KB / 1e6)
