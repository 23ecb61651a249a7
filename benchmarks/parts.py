"""The parts of a run, each in a process of its own: python -m benchmarks.parts NAME FILE [--quick] writes its JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.serving import ROOT

PARTS = ("network", "request", "picture", "volume", "start", "memory", "throughput", "accuracy", "growth")
"""Modules of `benchmarks` with a function `measure`, in the order in which they are run."""


def run(name: str, folder: Path, *, quick: bool) -> Figures:
    """Measure a part in a process of its own; what it writes goes to FOLDER/NAME.log.

    Raises
    ------
    RuntimeError : it failed.
    """
    file, log = folder / f"{name}.json", folder / f"{name}.log"
    command = [sys.executable, "-m", "benchmarks.parts", name, str(file), *(["--quick"] if quick else [])]
    with log.open("wb") as said:
        ended = subprocess.run(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise RuntimeError(
            f"{name} could not be measured:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
        )
    told: Figures = json.loads(file.read_text(encoding="utf-8"))
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one part and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name", choices=PARTS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    # Here, so that a part does not carry what another imports.
    figures = importlib.import_module(f"benchmarks.{options.name}").measure(quick=options.quick)
    options.file.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
