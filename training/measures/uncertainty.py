"""Uncertainty as disagreement: the slice is read as it is, mirrored, upside down and both, and the calls are compared.

Each reading is one look, as serving takes it: at the slice's own height and width, bounded to the lungs.

A network has no reason to answer otherwise for a mirrored slice; where it does, it is not sure. The disagreement is 1
less the mean Dice of all six pairs of calls: 0.0 where they agree, 1.0 where no two share a pixel. It is 0.0 as well
where no reading calls anything, whatever was missed; and small calls disagree more, as their outline is most of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from model.engine import Engine
from model.findings import Mask, lesion_mask
from model.look import look
from training.measures.metrics import overlap

FloatArray = NDArray[np.float32]

FLIPS: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (0, 1))
"""The axes of (H, W) that each reading is mirrored along."""


def read_flipped(engine: Engine, image: NDArray[np.uint8]) -> list[FloatArray]:
    """Return the lesion probability (H, W) float32 of (H, W) uint8 for each of FLIPS, turned back; see `model.look`."""
    looks = [look(np.flip(image, axes), (0.0, 255.0), engine) for axes in FLIPS]
    return [np.flip(answer[..., 0], axes) for answer, axes in zip(looks, FLIPS, strict=True)]


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
    """Return the disagreement of what is called at a threshold in (H, W) uint8."""
    return disagreement([lesion_mask(reading, threshold) for reading in read_flipped(engine, image)])


def partial_rank_correlation(first: Sequence[float], second: Sequence[float], given: Sequence[float]) -> float:
    """Return Spearman's correlation of two sequences with a third held fixed; all of one length, without NaN.

    (r12 - r13 r23) / sqrt((1 - r13^2) (1 - r23^2)); NaN where one of the three is, or where the third says everything.
    """
    both, one, other = (rank_correlation(*pair) for pair in ((first, second), (first, given), (second, given)))
    rest = (1.0 - one**2) * (1.0 - other**2)
    return (both - one * other) / math.sqrt(rest) if rest > 1e-12 else math.nan


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's correlation of two sequences of one length, pairs with NaN left out.

    NaN where fewer than three pairs are left or one side is constant.
    """
    pairs = np.array([first, second], np.float64)
    pairs = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if pairs.shape[1] < 3 or (pairs == pairs[:, :1]).all(axis=1).any():
        return float("nan")
    return float(spearmanr(pairs[0], pairs[1]).statistic)
