"""The sanity check of explanations: randomised weights must change the map (see training.explain)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from model.engine import KERAS_SUFFIXES
from model.findings import Mask, lesion_mask
from model.preprocess import preprocess
from training.data.dataset import Row, read_sample
from training.explain import LAYER, FloatArray, explain, fit_to_picture, likeness, randomise

SLICES = 24
"""How many slices are looked at."""


@dataclass(frozen=True)
class Sanity:
    """Means over slices in which something is called. Shares are of the sum of a map, or of the picture's pixels.

    `inside` is the share of a map that lies in the called lesion. A map that knew nothing would have `called_share`
    there. `likeness` is Spearman's correlation of the trained network's map with the other's; slices where one of the
    two is flat are left out of all figures.
    """

    layer: str
    slices: int
    called_share: float
    inside_trained: float
    inside_randomised: float
    likeness_randomised: float


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

    Rows in which nothing is called are passed over; where none is left, the figures are NaN.

    Returns
    -------
    The figures, and the maps of the first `keep` slices.
    """
    size = int(network.input_shape[1])
    stranger = randomise(network, rng)
    found: list[tuple[float, float, float, float]] = []
    kept: list[MapPair] = []
    for row in rows:
        image = read_sample(row).image
        network_input = preprocess(image, size=size)
        mask = lesion_mask(network.predict_on_batch(network_input[np.newaxis])[0][..., 0], threshold)
        if not mask.any():
            continue
        trained, other = explain(network, network_input, mask), explain(stranger, network_input, mask)
        figures = (float(mask.mean()), _inside(trained, mask), _inside(other, mask), likeness(trained, other))
        if not np.isnan(figures).any():
            found.append(figures)
        if len(kept) < keep:
            kept.append(MapPair(row, fit_to_picture(trained, image), fit_to_picture(other, image)))
    means = np.mean(found, axis=0) if found else np.full(4, math.nan)
    return Sanity(LAYER, len(found), *(float(mean) for mean in means)), kept


def _inside(found: FloatArray, mask: Mask) -> float:
    total = float(found.sum())
    return float(found[mask].sum()) / total if total else math.nan
