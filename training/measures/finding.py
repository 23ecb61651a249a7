"""Does a slice show a lesion: one score per slice, its ROC, and an operating point.

The score that is used is FINDING_SCORE. All CANDIDATES are compared in the report, by the area under their ROC curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.measures.curves import Curve

FloatArray = NDArray[np.float32]
Scores = NDArray[np.float64]

TOP_SHARE = 0.001
SMOOTHING_SHARE = 1.0 / 64.0
CALLED_THRESHOLD = 0.5


def called_area(probability: FloatArray) -> float:
    """Return the share of (H, W) float32 that is at or above CALLED_THRESHOLD; 0.0 for most slices without lesion."""
    return float(np.mean(probability >= CALLED_THRESHOLD))


def smoothed_peak(probability: FloatArray) -> float:
    """Return the highest mean probability of any square of 1/64 of the longer side, over (H, W) float32.

    Unlike the called area it tells slices apart in which nothing is called, and unlike a plain maximum one pixel does
    not decide it.
    """
    side = max(1, round(max(probability.shape) * SMOOTHING_SHARE))
    return float(cv2.blur(probability, (side, side)).max())


def top_mean(probability: FloatArray) -> float:
    """Return the mean of the highest 0.1 % of (H, W) float32, at least one pixel: 262 pixels of 512 x 512.

    A small lesion must be certain, or a large one half certain, to score high.
    """
    count = max(1, round(TOP_SHARE * probability.size))
    return float(np.partition(probability.ravel(), -count)[-count:].mean(dtype=np.float64))


CANDIDATES: dict[str, Callable[[FloatArray], float]] = {
    "called_area": called_area,
    "smoothed_peak": smoothed_peak,
    "top_mean": top_mean,
}

MEANINGS = {
    "called_area": "the share of pixels at or above 0.5",
    "smoothed_peak": "the highest mean probability of any square of 1/64 of the picture's side",
    "top_mean": "the mean of the highest 0.1 % of probabilities",
}
"""The candidates in words."""

FINDING_SCORE = "smoothed_peak"
"""The score that is used: the best of CANDIDATES when they were compared; each report compares them again."""


@dataclass(frozen=True)
class OperatingPoint:
    """A slice is said to show a lesion where its score is at or above `score`."""

    score: float
    sensitivity: float
    specificity: float


def auc(scores: Scores, present: NDArray[np.bool_]) -> float:
    """Return how often a slice with lesion scores above one without, ties counting half; NaN where a class is absent.

    The Mann-Whitney statistic, which is the area under the ROC curve: Hanley and McNeil, Radiology 1982.

    Parameters
    ----------
    scores : (N,) float64.
    present : (N,) bool.
    """
    ill = int(np.count_nonzero(present))
    well = present.size - ill
    if ill == 0 or well == 0:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[present].sum() - ill * (ill + 1) / 2.0) / (ill * well))


def roc_of_scores(scores: Scores, present: NDArray[np.bool_]) -> Curve:
    """Return 1 - specificity (x) and sensitivity (y) at each score that occurs, from (0, 0) to (1, 1).

    Raises
    ------
    ValueError : a class is absent.
    """
    ill = int(np.count_nonzero(present))
    if ill in (0, present.size):
        raise ValueError(f"a ROC curve needs slices with and without lesion, got {ill} with of {present.size}")
    thresholds = np.unique(scores)[::-1]
    called = scores[np.newaxis] >= thresholds[:, np.newaxis]
    sensitivity = (called & present).sum(axis=1) / ill
    false_rate = (called & ~present).sum(axis=1) / (present.size - ill)
    return Curve(np.append(0.0, false_rate), np.append(0.0, sensitivity), np.append(np.inf, thresholds))


def operating_point(curve: Curve) -> OperatingPoint:
    """Return the point of a ROC curve with the largest sensitivity + specificity (Youden, Cancer 1950).

    Of several it is the one with the highest score.
    """
    best = int(np.argmax(curve.y - curve.x))
    return OperatingPoint(float(curve.thresholds[best]), float(curve.y[best]), float(1.0 - curve.x[best]))
