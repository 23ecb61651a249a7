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
from training.explain import LAYER, FloatArray, explain, likeness, randomise

SLICES = 5
"""How many slices are looked at."""


@dataclass(frozen=True)
class Sanity:
    """Spearman's correlations, a mean over slices; `inside` is the share of the map that lies in the called lesion."""

    layer: str
    slices: int
    likeness_randomised: float
    inside_trained: float
    inside_randomised: float


def keras_weights_of(weights: Path) -> Path | None:
    """Return the Keras weights of the same network: the file itself, or for NAME.xml its NAME.weights.h5; else None."""
    if weights.suffix in KERAS_SUFFIXES:
        return weights
    beside = weights.with_name(weights.stem + ".weights.h5")
    return beside if beside.exists() else None


def check_explanations(
    network: keras.Model, rows: Sequence[Row], *, threshold: float, rng: np.random.Generator
) -> Sanity:
    """Compare the maps of a network and of its randomised copy, for the same called lesions.

    Rows in which nothing is called are passed over; where none is left, the figures are NaN.
    """
    size = int(network.input_shape[1])
    stranger = randomise(network, rng)
    found: list[tuple[float, float, float]] = []
    for row in rows:
        network_input = preprocess(read_sample(row).image, size=size)
        mask = lesion_mask(network.predict_on_batch(network_input[np.newaxis])[0][..., 0], threshold)
        if mask.any():
            trained, other = explain(network, network_input, mask), explain(stranger, network_input, mask)
            found.append((likeness(trained, other), _inside(trained, mask), _inside(other, mask)))
    means = np.nanmean(found, axis=0) if found else np.full(3, math.nan)
    return Sanity(LAYER, len(found), *(float(mean) for mean in means))


def _inside(found: FloatArray, mask: Mask) -> float:
    total = float(found.sum())
    return float(found[mask].sum()) / total if total else math.nan
