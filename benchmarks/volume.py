"""A volume by the command line, as a whole process, against as many slices in Keras; and where the time goes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.command import Ran, run, segment, segment_arguments
from benchmarks.contest import contestants
from benchmarks.figures import Figures, spread
from benchmarks.peers import KERAS
from benchmarks.phantom_volume import write_volume
from model.phantom import SIZE

SLICES = 300


def measure(*, quick: bool) -> Figures:
    """Return the seconds of the command line and of Keras, by turns: a third of the slices, a volume, and so on."""
    slices = 12 if quick else SLICES
    keras_s: list[float] = []
    ran: list[Ran] = []
    with tempfile.TemporaryDirectory(prefix="groundglass-bench-") as folder, contestants([KERAS]) as (keras,):
        file = Path(folder) / "volume.nii"
        write_volume(file, slices)
        keras.ask(2)
        for number in range(3):
            keras_s += keras.ask(slices // 3)
            ran.append(segment(file, Path(folder) / f"out{number}"))
        with_overlays = segment(file, Path(folder) / "overlays", "--overlays")
        profile = _profile(file, Path(folder))
    return {
        "slices": slices,
        "side": SIZE,
        "command_s": spread([one.seconds for one in ran]),
        "with_overlays_s": with_overlays.seconds,
        "command_peak_mb": spread([one.peak_mb for one in ran]),
        "keras_s": sum(keras_s),
        "keras_ms_a_slice": spread(keras_s, times=1000.0),
        "profile": profile,
    }


def _profile(file: Path, folder: Path) -> Figures:
    """Return in which modules threads were, in percent of the time of one more run; see `benchmarks.sampled`."""
    found = folder / "profile.json"
    run("-m", "benchmarks.sampled", str(found), *segment_arguments(file, folder / "profiled"))
    told: Figures = json.loads(found.read_text(encoding="utf-8"))
    return told
