"""The command line as a whole process: its seconds, and the most memory that it held."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import ROOT
from benchmarks.weights import SERVED_WEIGHTS


@dataclass(frozen=True)
class Ran:
    """A process that ended. peak_mb : in millions of bytes; of itself, not of processes that it has started."""

    seconds: float
    peak_mb: float


def segment(file: Path, out: Path, *further: str) -> Ran:
    """Let `python -m model segment` read a file with the served weights and further options.

    Raises
    ------
    RuntimeError : it fails.
    """
    return run("-m", "model", *segment_arguments(file, out), *further)


def segment_arguments(file: Path, out: Path) -> list[str]:
    """Return the command of `python -m model` for that."""
    return ["segment", str(file), "--out", str(out), "--weights", str(SERVED_WEIGHTS)]


def run(*arguments: str) -> Ran:
    """Run Python with arguments, by `benchmarks.launched`; raises RuntimeError with what it wrote where it fails."""
    command = [sys.executable, "-m", "benchmarks.launched", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return Ran(**json.loads(ended.stdout))
