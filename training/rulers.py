"""The rulers of the experiments: how a run holds on the patients or the source that it held out.

python -m training.rulers --workdir runs/exp/control-cor runs/exp/control-rad --out runs/exp/rulers.csv

Each run is measured with its best weights by validation, at the size of its last stage, on its held-out slices twice:
plain, as they are stored, and as pictures, the way people send them: cropped to the lungs, in another window, with
letters and arrows, blurred, compressed. The pictures are drawn from a fixed seed, so every run sees the same ones.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.findings import LUNG_THRESHOLD
from model.network import DEFAULT, build_network, load_into
from training.commands import sentences
from training.data.augment import Augmentation, Crop, Warp, apply, draw
from training.data.dataset import DATA_FOLDER, encode, read_manifest, read_sample
from training.data.sample import Sample
from training.data.splits import split_rows
from training.measures.metrics import NO_PIXELS, Overlap, called_share, overlap
from training.measures.results import CLEAN_SHARE

log = logging.getLogger(__name__)

SEED = 2020
BATCH_SIZE = 8


def as_picture(sample: Sample, number: int) -> Sample:
    """Bring a slice to the form in which people send pictures; the same number gives the same picture."""
    rng = np.random.default_rng([SEED, number])
    margins = rng.uniform(-0.01, 0.08, 4)
    crop = Crop(True, (float(margins[0]), float(margins[1]), float(margins[2]), float(margins[3])))
    return apply(sample, replace(draw(rng, Augmentation(strokes=0.3)), crop=crop, warp=Warp()))


def measure(network: keras.Model, samples: Sequence[Sample], *, threshold: float = 0.5) -> dict[str, float]:
    """Return lesion Dice (pooled, and as the mean of slices with lesion), lung Dice and the share of clean slices.

    All at the size of the network's input; what is undefined is NaN.
    """
    size = int(network.input_shape[1])
    lesion, lung, dices, clean = NO_PIXELS, NO_PIXELS, [], []
    for start in range(0, len(samples), BATCH_SIZE):
        images, truths = zip(*(encode(sample, size) for sample in samples[start : start + BATCH_SIZE]), strict=True)
        answers = np.asarray(network.predict_on_batch(np.stack(images)), np.float32)
        for truth, answer in zip(truths, answers, strict=True):
            called = answer[..., 0] >= threshold
            pair = overlap(truth[..., 0] > 0.5, called)
            lesion += pair
            lung += _lung_overlap(truth, answer)
            if truth[..., 0].any():
                dices.append(pair.dice)
            else:
                clean.append(called_share(called, answer[..., 1] >= LUNG_THRESHOLD) <= CLEAN_SHARE)
    mean_dice, clean_share = (float(np.mean(values)) if values else float("nan") for values in (dices, clean))
    return {"dice": lesion.dice, "slice_dice": mean_dice, "lung_dice": lung.dice, "clean": clean_share}


def _lung_overlap(truth: NDArray[np.float32], answer: NDArray[np.float32]) -> Overlap:
    known = truth[..., 3] > 0.5
    return overlap(truth[known][..., 1] > 0.5, answer[known][..., 1] >= LUNG_THRESHOLD)


def measure_run(workdir: Path, data: Path) -> dict[str, Any]:
    """Measure a finished run on what it held out: a row of the table.

    Raises
    ------
    FileNotFoundError : the run is not finished.
    """
    config = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    size = config["stages"][-1]["size"]
    network = build_network(arch=config.get("arch", DEFAULT), size=size, mixed_bfloat16=config["mixed_bfloat16"])
    load_into(network, workdir / "best.weights.h5")
    _, rows = split_rows(read_manifest(data / config["manifest"]), config.get("hold_out"))
    samples = [read_sample(row) for row in tqdm(rows, unit="slice", disable=None)]
    figures = {"plain": measure(network, samples)}
    figures["pictures"] = measure(network, [as_picture(sample, number) for number, sample in enumerate(samples)])
    return {"run": workdir.name, "held_out": config.get("hold_out") or "val", "size": size, "slices": len(samples)} | {
        f"{form}_{name}": round(value, 4) for form, values in figures.items() for name, value in values.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, add to the table; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m training.rulers", description="Measure runs on what they held out."
    )
    parser.add_argument("--workdir", type=Path, nargs="+", required=True, help="folders of finished runs")
    parser.add_argument("--out", type=Path, required=True, help="CSV; rows are added to it")
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the scans (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        _refuse_unfinished(options.workdir)
        for workdir in options.workdir:
            row = measure_run(workdir, options.data)
            log.info("%s", row)
            _append(options.out, row)


def _refuse_unfinished(workdirs: Sequence[Path]) -> None:
    """Raise FileNotFoundError where a folder holds no finished run, before the first is measured."""
    for workdir in workdirs:
        for file in (workdir / "config.json", workdir / "best.weights.h5"):
            if not file.is_file():
                raise FileNotFoundError(f"{workdir} holds no finished run: {file} is missing")


def _append(file: Path, row: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    begins = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, list(row))
        if begins:
            table.writeheader()
        table.writerow(row)


if __name__ == "__main__":
    main()
