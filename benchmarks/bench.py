"""How fast it is: one run on one machine, peers beside each other, cost as it grows.

python -m benchmarks.bench --out docs           all parts, in sixteen minutes: OUT/benchmarks.md and .json
python -m benchmarks.bench --only network       one part, printed as JSON; several by several --only
python -m benchmarks.bench --quick              all parts with a few rounds each, to see that they run; prints the table

What is measured is what the server would serve: GROUNDGLASS_WEIGHTS names another file. A machine that does something
else meanwhile gives figures that mean nothing; how much others had of it is written with them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.disturbance import Watch
from benchmarks.figures import Figures
from benchmarks.parts import PARTS, run
from benchmarks.serving import machine
from benchmarks.table import as_markdown
from benchmarks.targets import judged, ratios
from benchmarks.versions import about_machine, about_served


def measure(names: Sequence[str], *, quick: bool) -> dict[str, Figures]:
    """Measure parts one after the other; how far it is goes to standard error."""
    parts = {}
    with tempfile.TemporaryDirectory(prefix="groundglass-bench-") as folder:
        for name in names:
            began = time.monotonic()
            parts[name] = run(name, Path(folder), quick=quick)
            sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return parts


def whole_run(*, quick: bool) -> Figures:
    """Measure everything; return what is written as JSON."""
    began, watch = time.monotonic(), Watch()
    parts = measure(PARTS, quick=quick)
    return {
        "ratios": ratios(parts),
        "targets": judged(parts),
        "quick": quick,
        "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "seconds": round(time.monotonic() - began),
        "machine": {"summary": machine(), "others_cores": watch.others_cores(), **about_machine()},
        "served": about_served(),
        "parts": parts,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, measure, write and print; status 1 where a part could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description="Measure how fast it is.")
    parser.add_argument("--out", type=Path, help="folder for benchmarks.md and benchmarks.json (default: print alone)")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part, printed as JSON")
    parser.add_argument("--quick", action="store_true", help="a few rounds each; figures of no worth")
    options = parser.parse_args(arguments)
    try:
        if options.only:
            sys.stdout.write(json.dumps(measure(options.only, quick=options.quick), indent=2) + "\n")
            return 0
        figures = whole_run(quick=options.quick)
    except RuntimeError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    page = as_markdown(figures)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "benchmarks.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        (options.out / "benchmarks.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
