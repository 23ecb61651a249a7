"""Pictures in other windows -> whether bringing them to the usual distribution of gray values would help.

python -m training.windows --slices 24
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import SHIPPED_WEIGHTS
from model.threshold import DEFAULT_THRESHOLD
from training.commands import count, sentences
from training.data.augment import Crop, crop
from training.data.dataset import MANIFEST, Row, read_gray, read_manifest, read_sample
from training.data.sample import Sample
from training.data.strokes import ByteImage
from training.learning.networks import Reader, load_any, reader
from training.measures.robustness import PERTURBATIONS, Robustness, measure_robustness, spread_evenly

log = logging.getLogger(__name__)

WINDOWS = ("more contrast", "less contrast", "darker window", "brighter window")
"""Those of training.measures.robustness.PERTURBATIONS that change the window."""

USUAL_FROM_SLICES = 200
_SHARES = np.linspace(0.0, 1.0, 257)

Quantiles = NDArray[np.float64]
Change = Callable[[ByteImage, Quantiles], ByteImage]


def usual_quantiles(pictures: Sequence[ByteImage]) -> Quantiles:
    """Return (257,) gray values: the mean of the quantile functions of some pictures, from the least to the largest."""
    return np.asarray(np.mean([np.quantile(picture, _SHARES) for picture in pictures], axis=0), np.float64)


def match_quantiles(picture: ByteImage, usual: Quantiles) -> ByteImage:
    """Give each gray value the one that the same share of the usual pixels lies below."""
    histogram = np.bincount(picture.ravel(), minlength=256)
    # The middle of the pixels that share a value, so that large areas of one value stay where most of them were.
    below = (np.cumsum(histogram) - histogram / 2.0) / picture.size
    return np.asarray(np.rint(np.interp(below, _SHARES, usual)).astype(np.uint8)[picture], np.uint8)


def match_linearly(picture: ByteImage, usual: Quantiles) -> ByteImage:
    """Shift and stretch gray values so that they come closest to the usual ones: another window, nothing else."""
    own = np.quantile(picture, _SHARES)
    spread = float(np.var(own))
    slope = float(np.cov(own, usual, bias=True)[0, 1]) / spread if spread else 1.0
    changed = (picture - own.mean()) * slope + usual.mean()
    return np.asarray(np.rint(np.clip(changed, 0.0, 255.0)), np.uint8)


def leave(picture: ByteImage, usual: Quantiles) -> ByteImage:
    """Leave a picture as it is."""
    return picture


CHANGES: dict[str, Change] = {"as they are": leave, "linearly": match_linearly, "by quantiles": match_quantiles}


def compare(read: Reader, samples: Sequence[Sample], usual: Quantiles, *, threshold: float) -> dict[str, Robustness]:
    """Read samples in every window, brought to the usual distribution by each of CHANGES first."""
    found = {}
    windows = {name: PERTURBATIONS[name] for name in WINDOWS}
    for name, change in CHANGES.items():
        log.info("pictures %s", name)
        found[name] = measure_robustness(_after(read, change, usual), samples, threshold=threshold, wanted=windows)
    return found


def _after(read: Reader, change: Change, usual: Quantiles) -> Reader:
    return lambda picture: read(change(np.asarray(picture, np.uint8), usual))


def as_table(found: Mapping[str, Robustness]) -> str:
    """Return the pooled Dice of slices with lesion and the share of clean ones of the others, as Markdown."""
    head = ["window", "strength", *(f"Dice, {name}" for name in found), *(f"clean, {name}" for name in found)]
    lines = [head, ["---"] * len(head)]
    for window in WINDOWS:
        for steps in zip(*(robustness.steps[window] for robustness in found.values()), strict=True):
            figures = [step.dice for step in steps] + [step.clean for step in steps]
            lines.append([window, f"{steps[0].strength:g}", *(f"{figure:.3f}" for figure in figures)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print the table; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.windows", description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, default=MANIFEST)
    parser.add_argument("--weights", type=Path, nargs="+", default=[SHIPPED_WEIGHTS])
    parser.add_argument("--slices", type=count, default=24, help="so many with lesion and so many without")
    parser.add_argument("--to-lungs", action="store_true", help="cut the tested slices to the lungs")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        rows = read_manifest(options.manifest)
        train = spread_evenly([row for row in rows if row.split == "train"], USUAL_FROM_SLICES)
        tested = [row for row in rows if row.split == "val"]
        ill, well = ([row for row in tested if _shows_lesion(row) is wanted] for wanted in (True, False))
        chosen = [*spread_evenly(ill, options.slices), *spread_evenly(well, options.slices)]
        usual = usual_quantiles([read_gray(row.image) for row in train])
        samples = [read_sample(row) for row in chosen]
        if options.to_lungs:
            samples = [crop(sample, Crop(to_lungs=True, margins=(0.0,) * 4)) for sample in samples]
        found = compare(reader(load_any(options.weights)), samples, usual, threshold=DEFAULT_THRESHOLD)
        log.info("%s", as_table(found))


def _shows_lesion(row: Row) -> bool:
    return bool(read_sample(row).lesion.any())


if __name__ == "__main__":
    main()
