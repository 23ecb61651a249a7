"""How much more two workers of a cluster do than one, and what a million studies would take.

python -m benchmarks.scaling --out docs

A batch of drawn volumes is read by this machine alone, by a Ray cluster of one node of one core, and by one of two.
Written are OUT/scaling.json and OUT/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from textwrap import fill

from benchmarks.figures import Figures
from benchmarks.million import CORES, DOLLARS, MACHINES, NLST, SLICES, STUDIES, Cost
from benchmarks.nodes import ROOT, Nodes
from benchmarks.phantom_volume import write_volume
from benchmarks.serving import machine
from benchmarks.table import table
from model.cores import usable_cores
from model.options import at_least_one

ALONE = "this machine alone"
VOLUMES, EACH = 8, 60


def measure(scans: Path, work: Path, nodes: int) -> Figures:
    """Read volumes by so many nodes of a cluster, 0 for this machine alone.

    Returns
    -------
    whole_s : seconds of the command from start to end. at_work_s : from the first study begun to the last one done.
    """
    out = work / f"out{nodes}"
    command = [sys.executable, "-m", "model", "batch", str(scans), "--out", str(out)]
    with ExitStack() as started:
        if nodes:
            cluster = started.enter_context(Nodes(nodes, work / f"log{nodes}"))
            command += ["--cluster", cluster.address]
        begun = time.monotonic()
        subprocess.run(command, cwd=ROOT, check=True)
        whole_s = time.monotonic() - begun
    rows = [(file.stat().st_mtime, json.loads(file.read_text())) for file in out.glob("rows/*/*.json")]
    first = min(done - row["seconds"] for done, row in rows)
    return {"whole_s": whole_s, "at_work_s": max(done for done, _ in rows) - first, "studies": len(rows)}


def scaling(volumes: int, slices: int) -> Figures:
    """Measure this machine alone, one worker and two."""
    with tempfile.TemporaryDirectory(prefix="groundglass-scaling-") as folder:
        work = Path(folder)
        (work / "scans").mkdir()
        for number in range(volumes):
            write_volume(work / "scans" / f"{number}.nii", slices)
        runs = {name: measure(work / "scans", work, nodes) for name, nodes in _RUNS.items()}
    one, two = (runs[name]["at_work_s"] for name in ("one worker", "two workers"))
    each = runs[ALONE]["at_work_s"] * usable_cores() / (volumes * slices)
    return {
        "made": date.today().isoformat(),
        "machine": machine(),
        "volumes": volumes,
        "slices": slices,
        "runs": runs,
        "two_of_one": one / two,
        "core_s_of_a_slice": each,
        "core_s_of_a_slice_on_the_cluster": one / (volumes * slices),
    }


_RUNS = {ALONE: 0, "one worker": 1, "two workers": 2}


def page(figures: Figures) -> str:
    """Return the figures as a page."""
    parts = [
        "# How batches scale",
        f"Measured on {figures['made']}: {figures['machine']}. Written by `python -m benchmarks.scaling --out docs`, "
        "with `scaling.json`.",
        f"{figures['volumes']} drawn volumes of {figures['slices']} slices of 512×512, by `python -m model batch` on "
        "this machine, and with `--cluster` on Ray nodes of one core each.",
        _runs(figures),
        f"Two workers do {figures['two_of_one']:.2f} times what one does ({figures['two_of_one'] / 2:.2f} of twice), "
        "while the run that asks them and all of Ray's own processes share their two cores. At work is from the first "
        "study begun to the last one done: the start of the processes and the loading of the networks come before, but "
        "for what the second worker still loads then. More than two workers were not measured.",
        "## A million studies, on paper",
        *_million(figures),
    ]
    return "\n\n".join(map(_wrapped, parts)) + "\n"


def _wrapped(part: str) -> str:
    return part if part.startswith("|") else fill(part, 120, break_on_hyphens=False)


def _runs(figures: Figures) -> str:
    rows = [[name, f"{run['whole_s']:.1f}", f"{run['at_work_s']:.1f}"] for name, run in figures["runs"].items()]
    return "\n".join(table(["", "Seconds from start to end", "Seconds at work"], rows)).strip()


def _million(figures: Figures) -> list[str]:
    worker_s, alone_s = figures["core_s_of_a_slice_on_the_cluster"], figures["core_s_of_a_slice"]
    # With all cores busy, as those of rented machines are.
    cost, theirs = Cost(alone_s), Cost(alone_s, NLST.studies)
    machines = [[f"{count:,}", _hours(cost.hours(count)), f"{cost.dollars():,.0f}"] for count in MACHINES]
    return [
        f"This machine alone, with all cores busy, took {1000 * alone_s:.0f} ms of a core for a slice, everything "
        f"counted (one worker, beside which a core was nearly free, {1000 * worker_s:.0f}). {STUDIES:,} studies of "
        f"{SLICES} slices are then {cost.core_hours:,.0f} core hours; by machines of {CORES} cores like these, at "
        f"{DOLLARS} dollars for a core and an hour:",
        "\n".join(table(["Machines", "Time", "Dollars"], machines)).strip(),
        "That is if the scans come as fast as they are read, which was not measured: "
        f"{_megabytes_s(cost):.0f} MB/s for each machine, uncompressed. Storage and transfer are not counted.",
        f"For comparison: {NLST.source}, read more than {NLST.studies:,} CTs in less than {NLST.hours:.0f} hours on "
        f"more than {NLST.machines:,} machines for {NLST.dollars:,.2f} dollars, "
        f"{_per_thousand(NLST.dollars, NLST.studies)} for a thousand. They segmented a hundred structures and measured "
        f"radiomics, which is more than is asked here. As many studies, taken to have {SLICES} slices, are "
        f"{theirs.core_hours:,.0f} core hours here, {_hours(theirs.hours(10))} on ten machines, and "
        f"{_per_thousand(theirs.dollars(), theirs.studies)} dollars for a thousand.",
    ]


def _per_thousand(dollars: float, studies: int) -> str:
    return f"{1000 * dollars / studies:.2f}"


def _hours(hours: float) -> str:
    """Return a duration as people say it.

    >>> _hours(0.5), _hours(12.0), _hours(100.0)
    ('30 minutes', '12.0 hours', '4.2 days')
    """
    if hours < 1.0:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48.0 else f"{hours / 24:.1f} days"


def _megabytes_s(cost: Cost) -> float:
    """Return how many megabytes a machine reads in a second: half a megabyte for a slice of 512×512 in 16 bit."""
    return CORES * 2 * 512 * 512 / 1e6 / cost.seconds_of_a_core


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description="How batches scale.")
    parser.add_argument("--out", type=Path, required=True, help="folder for scaling.json and scaling.md")
    parser.add_argument("--volumes", type=at_least_one, default=VOLUMES, help="(default: %(default)s)")
    parser.add_argument("--slices", type=at_least_one, default=EACH, help="of each (default: %(default)s)")
    options = parser.parse_args(arguments)
    # Before what takes minutes.
    options.out.mkdir(parents=True, exist_ok=True)
    figures = scaling(options.volumes, options.slices)
    (options.out / "scaling.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (options.out / "scaling.md").write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
