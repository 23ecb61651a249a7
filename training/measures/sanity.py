"""The sanity check of explanations: randomised weights must change the map (see training.explain)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from model.engine import KERAS_SUFFIXES
from model.explain.seg_grad_cam import fit_to_picture
from model.findings import Mask, lesion_mask
from model.preprocess import preprocess
from training.data.dataset import Row, read_sample
from training.explain import LAYER, FloatArray, explain, likeness, randomise

SLICES = 24
"""How many slices are looked at."""


REFERENCE_SLICES = 8
"""From how many of them the randomised copy takes its batch normalisation."""


@dataclass(frozen=True)
class Sanity:
    """What the maps of some slices came to; NaN where there is none. Shares are of the sum of a map, or of pixels.

    `inside` is the share of a map that lies in the called lesion. A map that knew nothing would have `called_share`
    there. A flat map is 0.0 everywhere, or of one value: it points nowhere, so no share of it lies anywhere.
    """

    layer: str
    slices: int  # in which something is called
    flat_trained: int  # of them, those whose trained map is flat: left out of the next four
    called_share: float  # mean
    inside_trained: float  # mean
    inside_trained_median: float
    above_chance: float  # share of slices with more of the trained map inside than their own called share
    flat_randomised: int  # of them, those whose randomised map is flat: left out of the next two
    inside_randomised: float  # mean
    inside_randomised_median: float
    likeness_randomised: float  # mean of Spearman's correlation of both maps, over the slices where neither is flat


@dataclass(frozen=True)
class MapPair:
    """The maps of one slice, (H, W) float32 in 0.0 ... 1.0 at its own height and width."""

    row: Row
    trained: FloatArray
    randomised: FloatArray


def keras_weights_of(weights: Path) -> Path | None:
    """Return the Keras weights of the same network: the file itself, or for NAME.xml its NAME.weights.h5; else None."""
    if weights.suffix in KERAS_SUFFIXES:
        return weights
    beside = weights.with_name(weights.stem + ".weights.h5")
    return beside if beside.exists() else None


def check_explanations(
    network: keras.Model, rows: Sequence[Row], *, threshold: float, rng: np.random.Generator, keep: int = 0
) -> tuple[Sanity, list[MapPair]]:
    """Compare the maps of a network and of its randomised copy, for the same called lesions.

    Rows in which nothing is called are passed over; where none is left, the figures are NaN. A flat map of the copy
    does not cost the trained network its figure of that slice.

    Returns
    -------
    The figures, and the maps of the first `keep` slices.
    """
    size = int(network.input_shape[1])
    stranger = None
    looks: list[Look] = []
    kept: list[MapPair] = []
    for row in rows:
        image = read_sample(row).image
        network_input = preprocess(image, size=size)
        mask = lesion_mask(network.predict_on_batch(network_input[np.newaxis])[0][..., 0], threshold)
        if not mask.any():
            continue
        stranger = stranger or randomise(network, _reference(rows, size), rng)
        trained, other = explain(network, network_input, mask), explain(stranger, network_input, mask)
        looks.append(compare_maps(trained, other, mask))
        if len(kept) < keep:
            shape = (image.shape[0], image.shape[1])
            kept.append(MapPair(row, fit_to_picture(trained, shape), fit_to_picture(other, shape)))
    return sum_up(looks), kept


def _reference(rows: Sequence[Row], size: int) -> FloatArray:
    return np.stack([preprocess(read_sample(row).image, size=size) for row in rows[:REFERENCE_SLICES]])


@dataclass(frozen=True)
class Look:
    """The figures of one slice, named as in `Sanity`; NaN for a flat map."""

    called_share: float
    inside_trained: float
    inside_randomised: float
    likeness: float


def compare_maps(trained: FloatArray, randomised: FloatArray, called: Mask) -> Look:
    """Compare two maps, (H, W) float32 of at least 0.0, over a called lesion, (H, W) bool with a pixel or more."""
    return Look(
        float(called.mean()), _inside(trained, called), _inside(randomised, called), likeness(trained, randomised)
    )


def sum_up(looks: Sequence[Look]) -> Sanity:
    """Sum up slices; a figure that no slice gives is NaN."""
    seen = [look for look in looks if not math.isnan(look.inside_trained)]
    trained = [look.inside_trained for look in seen]
    randomised = [look.inside_randomised for look in looks if not math.isnan(look.inside_randomised)]
    return Sanity(
        layer=LAYER,
        slices=len(looks),
        flat_trained=len(looks) - len(trained),
        called_share=_mean([look.called_share for look in seen]),
        inside_trained=_mean(trained),
        inside_trained_median=_median(trained),
        above_chance=_mean([float(look.inside_trained > look.called_share) for look in seen]),
        flat_randomised=len(looks) - len(randomised),
        inside_randomised=_mean(randomised),
        inside_randomised_median=_median(randomised),
        likeness_randomised=_mean([look.likeness for look in looks if not math.isnan(look.likeness)]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else math.nan


def _inside(found: FloatArray, mask: Mask) -> float:
    """Return the share of the sum of a map inside a mask; NaN where the map is flat."""
    return float(found[mask].sum()) / float(found.sum()) if np.ptp(found) > 0.0 else math.nan
