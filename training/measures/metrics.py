"""Overlap of masks: Dice, IoU, precision, recall and so on, in NumPy for evaluation and as Keras metrics for training.

The empty-mask rule, written down once: where truth and prediction are both empty, Dice and IoU of that single pair are
undefined and given as NaN (average with `nanmean`, and say how many were left out). Where exactly one is empty, both
are 0. Precision is NaN where the prediction is empty (nothing was called, so nothing was called rightly or wrongly),
recall where the truth is empty (nothing was there to be found), specificity where the truth is full. Pooled figures add
the pixel counts of all slices first, so the rule matters only when all of them are empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


@dataclass(frozen=True)
class Overlap:
    """Pixel counts of a pair of masks; counts of several pairs add up."""

    true_positive_px: int
    false_positive_px: int
    false_negative_px: int
    true_negative_px: int = 0

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.true_positive_px + other.true_positive_px,
            self.false_positive_px + other.false_positive_px,
            self.false_negative_px + other.false_negative_px,
            self.true_negative_px + other.true_negative_px,
        )

    @property
    def total_px(self) -> int:
        """All pixels, of both classes."""
        return self.true_positive_px + self.false_positive_px + self.false_negative_px + self.true_negative_px

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN); NaN where both masks are empty."""
        return _ratio(
            2 * self.true_positive_px,
            2 * self.true_positive_px + self.false_positive_px + self.false_negative_px,
        )

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN); NaN where both masks are empty. IoU = Dice / (2 - Dice)."""
        return _ratio(self.true_positive_px, self.true_positive_px + self.false_positive_px + self.false_negative_px)

    @property
    def precision(self) -> float:
        """TP / (TP + FP), the share of the prediction that is right; NaN where the prediction is empty."""
        return _ratio(self.true_positive_px, self.true_positive_px + self.false_positive_px)

    @property
    def recall(self) -> float:
        """TP / (TP + FN), the share of the truth that was found; NaN where the truth is empty."""
        return _ratio(self.true_positive_px, self.true_positive_px + self.false_negative_px)

    @property
    def specificity(self) -> float:
        """TN / (TN + FP), the share of what is no lesion that was left alone; NaN where the truth is full."""
        return _ratio(self.true_negative_px, self.true_negative_px + self.false_positive_px)

    @property
    def accuracy(self) -> float:
        """(TP + TN) / all pixels; near 1.0 wherever lesions are small, however bad the network. NaN without pixels."""
        return _ratio(self.true_positive_px + self.true_negative_px, self.total_px)


NO_PIXELS = Overlap(0, 0, 0)
"""The neutral element of adding overlaps."""


def overlap(truth: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> Overlap:
    """Count agreeing and disagreeing pixels of two masks.

    Parameters
    ----------
    truth, prediction : bool arrays of one shape, any number of axes.

    Raises
    ------
    ValueError : the shapes or dtypes differ from that.

    >>> overlap(np.array([True, True, False]), np.array([True, False, False])).dice
    0.6666666666666666
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} differ in shape")
    if truth.dtype != np.bool_ or prediction.dtype != np.bool_:
        raise ValueError(f"masks must be bool, got {truth.dtype} and {prediction.dtype}")
    both = int(np.count_nonzero(truth & prediction))
    called, there = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    return Overlap(both, called - both, there - both, truth.size - called - there + both)


def called_share(called: NDArray[np.bool_], lung: NDArray[np.bool_]) -> float:
    """Return which share of the predicted lung is called lesion; 0.0 where neither is predicted.

    Lesion counts as lung, as in model.findings: what is called outside the lung counts as well. The predicted lung
    is taken since slices without lesion may have no lung mask.

    called, lung : (H, W) bool, as predicted.

    >>> called_share(np.array([[True, False, False]]), np.array([[False, True, False]]))
    0.5
    """
    area = int(np.count_nonzero(called | lung))
    return int(np.count_nonzero(called)) / area if area else 0.0


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else float("nan")


@keras.saving.register_keras_serializable("groundglass")
class PooledOverlap(keras.metrics.Metric):  # type: ignore[misc]
    """Dice or IoU of one channel, from pixel counts pooled over all batches of an epoch.

    y_true : (N, H, W, 4): lesion, lung, lesion known, lung known. y_pred : (N, H, W, 2): lesion, lung.
    Pixels that are not known do not count. All empty gives 0, so that a network that predicts nothing never looks
    perfect during training.
    """

    def __init__(self, channel: int, kind: str, *, threshold: float = 0.5, name: str) -> None:
        super().__init__(name=name)
        if kind not in ("dice", "iou"):
            raise ValueError(f"kind must be 'dice' or 'iou', got {kind!r}")
        self.channel, self.kind, self.threshold = channel, kind, threshold
        self.intersection = self.add_weight(name="intersection", initializer="zeros", dtype="float32")
        self.total = self.add_weight(name="total", initializer="zeros", dtype="float32")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the counts of one batch."""
        truth = ops.cast(y_true[..., self.channel] > 0.5, "float32")
        prediction = ops.cast(y_pred[..., self.channel] >= self.threshold, "float32")
        known = y_true[..., 2 + self.channel]
        self.intersection.assign_add(ops.sum(truth * prediction * known))
        self.total.assign_add(ops.sum((truth + prediction) * known))

    def result(self) -> Any:
        """Return the scalar figure of everything seen since the last reset."""
        if self.kind == "dice":
            return 2.0 * self.intersection / ops.maximum(self.total, 1.0)
        return self.intersection / ops.maximum(self.total - self.intersection, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"channel": self.channel, "kind": self.kind, "threshold": self.threshold, "name": self.name}


def training_metrics() -> list[keras.metrics.Metric]:
    """Return the figures shown while training: Dice and IoU of the lesion, Dice of the lung."""
    return [
        PooledOverlap(0, "dice", name="lesion_dice"),
        PooledOverlap(0, "iou", name="lesion_iou"),
        PooledOverlap(1, "dice", name="lung_dice"),
    ]
