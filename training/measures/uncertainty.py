"""Uncertainty as disagreement: the slice is read as it is, mirrored, upside down and both, and the calls are compared.

A network has no reason to answer otherwise for a mirrored slice; where it does, it is not sure. The disagreement is 1
less the mean Dice of all six pairs of calls: 0.0 where they agree, 1.0 where no two share a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from model.engine import Engine
from model.findings import Mask, lesion_mask
from model.preprocess import placement, preprocess
from training.measures.metrics import overlap

FloatArray = NDArray[np.float32]

FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (0, 1))
"""The axes of (H, W, ...) that each reading is mirrored along."""


def read_flipped(engine: Engine, network_input: FloatArray) -> list[FloatArray]:
    """Return the lesion probability (size, size) float32 of each of FLIPS, turned back.

    network_input : (size, size, 1) float32 in 0.0 ... 1.0, as `model.preprocess.preprocess` gives it.
    """
    answers = [engine.predict(np.ascontiguousarray(np.flip(network_input, axes))[np.newaxis])[0] for axes in FLIPS]
    return [np.flip(answer[..., 0], axes) for answer, axes in zip(answers, FLIPS, strict=True)]


def disagreement(masks: Sequence[Mask]) -> float:
    """Return 1 less the mean Dice of all pairs of (H, W) bool masks; a pair of empty masks agrees (Dice 1).

    Raises
    ------
    ValueError : there are fewer than two masks.

    >>> disagreement([np.array([True, True]), np.array([True, False])])
    0.33333333333333337
    """
    if len(masks) < 2:
        raise ValueError(f"disagreement needs at least two masks, got {len(masks)}")
    pairs = [overlap(one, other).dice for one, other in combinations(masks, 2)]
    return 1.0 - float(np.mean(np.nan_to_num(pairs, nan=1.0)))


def flip_disagreement(engine: Engine, image: NDArray[np.uint8], *, threshold: float) -> float:
    """Return the disagreement of the calls at a threshold in (H, W) uint8, the border around the slice left out."""
    window = placement((image.shape[0], image.shape[1]), engine.input_size).window
    readings = read_flipped(engine, preprocess(image, size=engine.input_size))
    return disagreement([lesion_mask(np.ascontiguousarray(reading[window]), threshold) for reading in readings])


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's correlation of two sequences of one length, pairs with NaN left out.

    NaN where fewer than three pairs are left or one side is constant.
    """
    pairs = np.array([first, second], np.float64)
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if pairs.shape[1] < 3 or (pairs == pairs[:, :1]).all(axis=1).any():
        return float("nan")
    return float(spearmanr(pairs[0], pairs[1]).statistic)
