"""Histogram of probabilities by truth -> ROC, precision and recall, Dice against the threshold, and their areas.

Two rows of counts stand for any number of pixels: a whole data set needs no more memory than a slice. The bins are even
in the logit, not in the probability, so that they stay fine where nearly all pixels lie, close to 0 and 1. Within a bin
pixels are taken as equal; at LOWER_EDGES, 0.5 among them, all figures are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

BINS = 1200
LOGIT_LIMIT = 12.0
"""Probabilities below 6e-6 or above 1 - 6e-6 lie in the first and the last bin."""

_LOGIT_EDGES = np.linspace(-LOGIT_LIMIT, LOGIT_LIMIT, BINS + 1)
LOGITS: Values = (_LOGIT_EDGES[:-1] + _LOGIT_EDGES[1:]) / 2.0
"""(BINS,) the logit at the middle of each bin, ascending: what its pixels are taken to have."""
_INNER_EDGES = (1.0 / (1.0 + np.exp(-_LOGIT_EDGES[1:-1]))).astype(np.float32)
LOWER_EDGES: Values = np.concatenate([[0.0], _INNER_EDGES.astype(np.float64)])
"""(BINS,) the lowest probability of each bin, ascending from 0.0: the thresholds of all curves."""


@dataclass(frozen=True)
class Histogram:
    """Counts (2, BINS) int64 by truth (0 = no lesion, 1 = lesion) and by bin; histograms add up."""

    counts: Counts

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts)

    @property
    def positives(self) -> int:
        """How many pixels are lesion in the truth."""
        return int(self.counts[1].sum())

    @property
    def negatives(self) -> int:
        """How many pixels are no lesion in the truth."""
        return int(self.counts[0].sum())


EMPTY = Histogram(np.zeros((2, BINS), np.int64))
"""The neutral element of adding histograms."""


@dataclass(frozen=True)
class Curve:
    """Points (N,) float64 of a curve, in order of falling threshold; NaN where a coordinate is undefined."""

    x: Values
    y: Values
    thresholds: Values


def count_probabilities(probability: NDArray[np.float32], truth: NDArray[np.bool_]) -> Histogram:
    """Count probabilities by truth.

    Parameters
    ----------
    probability : float32 in 0.0 ... 1.0, any shape.
    truth : bool, the same shape. Empty arrays give a histogram without counts.

    Raises
    ------
    ValueError : the shapes differ, or truth is not bool.
    """
    if probability.shape != truth.shape:
        raise ValueError(f"probability {probability.shape} and truth {truth.shape} differ in shape")
    if truth.dtype != np.bool_:
        raise ValueError(f"truth must be bool, got {truth.dtype}")
    bins = np.searchsorted(_INNER_EDGES, probability.ravel().astype(np.float32), side="right")
    joint = bins + BINS * truth.ravel()
    return Histogram(np.bincount(joint, minlength=2 * BINS).reshape(2, BINS).astype(np.int64))


def called_counts(histogram: Histogram) -> tuple[Values, Values]:
    """Return true and false positives, (BINS,) each: pixels at or above each of LOWER_EDGES, ascending thresholds."""
    at_or_above = np.cumsum(histogram.counts[:, ::-1], axis=1)[:, ::-1].astype(np.float64)
    return at_or_above[1], at_or_above[0]


def roc(histogram: Histogram) -> Curve:
    """Return the false positive rate (x) and the true positive rate (y), from (0, 0) to (1, 1).

    NaN where one class is absent.
    """
    true_positives, false_positives = called_counts(histogram)
    x = _share(false_positives[::-1], histogram.negatives)
    y = _share(true_positives[::-1], histogram.positives)
    return Curve(np.append(0.0, x), np.append(0.0, y), np.append(np.inf, LOWER_EDGES[::-1]))


def precision_recall(histogram: Histogram) -> Curve:
    """Return recall (x) and precision (y); thresholds at which nothing is called are left out."""
    true_positives, false_positives = (counts[::-1] for counts in called_counts(histogram))
    called = true_positives + false_positives
    some = called > 0
    recall = _share(true_positives[some], histogram.positives)
    return Curve(recall, true_positives[some] / called[some], LOWER_EDGES[::-1][some])


def dice_by_threshold(histogram: Histogram) -> Curve:
    """Return the pooled Dice (y) at each threshold (x), 2 TP / (2 TP + FP + FN); NaN where all is empty."""
    true_positives, false_positives = (counts[::-1] for counts in called_counts(histogram))
    total = true_positives + false_positives + histogram.positives
    dice = np.divide(2.0 * true_positives, total, out=np.full(BINS, np.nan), where=total > 0)
    return Curve(LOWER_EDGES[::-1], dice, LOWER_EDGES[::-1])


def roc_auc(histogram: Histogram) -> float:
    """Return the area under the ROC curve by trapezoids, so that ties count half; NaN where one class is absent."""
    curve = roc(histogram)
    return float(np.trapezoid(curve.y, curve.x))


def average_precision(histogram: Histogram) -> float:
    """Return the sum of (R_n - R_{n-1}) P_n, without interpolation; NaN where no pixel is lesion."""
    if histogram.positives == 0:
        return float("nan")
    curve = precision_recall(histogram)
    return float(np.sum(np.diff(curve.x, prepend=0.0) * curve.y))


def thin(curve: Curve, points: int = 200) -> Curve:
    """Return at most about `points` of a curve, evenly spread along its length, the first and the last among them."""
    steps = np.hypot(np.diff(curve.x), np.diff(curve.y))
    length = np.append(0.0, np.cumsum(np.nan_to_num(steps)))
    wanted = np.linspace(0.0, length[-1], points)
    chosen = np.unique(np.append(np.searchsorted(length, wanted), [0, len(curve.x) - 1]))
    chosen = chosen[chosen < len(curve.x)]
    return Curve(curve.x[chosen], curve.y[chosen], curve.thresholds[chosen])


def _share(counts: Values, total: int) -> Values:
    return counts / total if total else np.full(counts.shape, np.nan)
