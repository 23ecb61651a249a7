"""How cost grows: with slices of a volume, with pixels of a picture, with cores. With clients: `throughput`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.command import segment
from benchmarks.contest import contest, together
from benchmarks.figures import Figures
from benchmarks.peers import KERAS, OUR_REQUEST, SERVED
from benchmarks.phantom_volume import write_volume
from benchmarks.picture import by_turns, drawn_png, without_network
from benchmarks.weights import SERVED_WEIGHTS
from model.cores import usable_cores
from model.engine import load_engine
from model.overlay import overlay_png
from model.recognise.judge import load_recogniser
from model.segment import segment as read

SLICES = (1, 10, 100, 300, 1000)
SIDES = (256, 512, 1024, 2048, 4096)

AT_MOST_S = 120.0
"""A volume is read only where the one before says that it takes no longer."""


def measure(*, quick: bool) -> Figures:
    """Return seconds by slices, milliseconds by side, and both network and requests by cores."""
    return {
        "slices": by_slices((1, 10) if quick else SLICES, at_most_s=AT_MOST_S),
        "sides": by_side(SIDES[:3] if quick else SIDES, rounds=2 if quick else 6),
        "cores": by_cores(quick=quick),
    }


def by_slices(counts: tuple[int, ...], *, at_most_s: float) -> list[Figures]:
    """Return seconds and memory of the command line, one run for each number of slices; seconds are None where that was
    not measured, with the reason."""
    found: list[Figures] = []
    a_slice_s = 0.0
    with tempfile.TemporaryDirectory(prefix="groundglass-bench-") as folder:
        for count in counts:
            if a_slice_s * count > at_most_s:
                why = f"not measured: at {a_slice_s:.3f} s a slice it takes more than {at_most_s:.0f} s"
                found.append({"slices": count, "seconds": None, "peak_mb": None, "why": why})
                continue
            file = Path(folder) / f"volume{count}.nii"
            write_volume(file, count)
            ran = segment(file, Path(folder) / f"out{count}")
            file.unlink()
            found.append({"slices": count, "seconds": ran.seconds, "peak_mb": ran.peak_mb})
            a_slice_s = ran.seconds / count
    return found


def by_side(sides: tuple[int, ...], *, rounds: int) -> list[Figures]:
    """Return the milliseconds of a whole request, and of all but the network, by pixels of a picture's side."""
    engine = load_engine(SERVED_WEIGHTS)
    recogniser = load_recogniser(engine)
    found = []
    for side in sides:
        png = drawn_png(side)
        ms = by_turns(
            {
                "request_ms": lambda png=png: overlay_png(read(png, engine, recogniser=recogniser, force=True)),  # type: ignore[misc]
                "without_network_ms": without_network(png, engine),
            },
            # What takes a second each time needs to be asked less often.
            rounds=rounds if side <= 1024 else min(rounds, 2),
        )
        found.append({"side": side, **ms})
    return found


def by_cores(*, quick: bool) -> list[Figures]:
    """Return milliseconds of the network, ours and in Keras, and requests in a second, for one core, two, four ...

    Requests are those of a closed loop without a server, by a process for each core.
    """
    found: list[Figures] = []
    cores = 1
    while cores <= usable_cores():
        ms = contest((KERAS, SERVED), rounds=2 if quick else 4, each=3, threads=cores, cores=cores)
        rate = together(OUR_REQUEST, processes=cores, seconds=2.0 if quick else 6.0)
        found.append({"cores": cores, "network_ms": ms, "requests_per_second": rate})
        cores *= 2
    return found
