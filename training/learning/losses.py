"""Losses over lesion and lung; pixels of which the truth is not known count for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of the Keras backend in use."""

EPSILON = 1e-6


def binary_crossentropy(truth: Tensor, probability: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of the pixel-wise cross-entropy; 0 where every weight is 0.

    truth, probability, weight: (N, H, W) float32 in 0.0 ... 1.0. Returns a scalar.
    """
    probability = ops.clip(probability, EPSILON, 1.0 - EPSILON)
    entropy = -(truth * ops.log(probability) + (1.0 - truth) * ops.log(1.0 - probability))
    return ops.sum(entropy * weight) / ops.maximum(ops.sum(weight), 1.0)


def batch_jaccard(truth: Tensor, probability: Tensor, weight: Tensor) -> Tensor:
    """1 - IoU with soft counts, pooled over the whole batch; 0 where every weight is 0.

    Pooled, because most slices hold little or no lesion: the IoU of an empty slice has no gradient worth following.
    The smoothing of one pixel makes two empty batches agree (loss 0).
    truth, probability, weight: (N, H, W) float32 in 0.0 ... 1.0. Returns a scalar.
    """
    intersection = ops.sum(truth * probability * weight)
    union = ops.sum((truth + probability - truth * probability) * weight)
    return 1.0 - (intersection + 1.0) / (union + 1.0)


def batch_dice(truth: Tensor, probability: Tensor, weight: Tensor) -> Tensor:
    """1 - Dice with soft counts, pooled and smoothed as in `batch_jaccard`, of the same arrays.

    V-Net's loss (Milletari et al., 2016) without squares in the denominator.
    """
    intersection = ops.sum(truth * probability * weight)
    total = ops.sum((truth + probability) * weight)
    return 1.0 - (2.0 * intersection + 1.0) / (total + 1.0)


def focal_tversky(truth: Tensor, probability: Tensor, weight: Tensor) -> Tensor:
    """(1 - Tversky index) ** 0.75, pooled and smoothed as in `batch_jaccard`, of the same arrays.

    Misses weigh 0.7 and false calls 0.3: Abraham and Khan, "A novel focal Tversky loss function", 2019.
    """
    found = ops.sum(truth * probability * weight)
    missed = ops.sum(truth * (1.0 - probability) * weight)
    called = ops.sum((1.0 - truth) * probability * weight)
    index = (found + 1.0) / (found + 0.7 * missed + 0.3 * called + 1.0)
    # Where all is right the power has no finite slope.
    return ops.maximum(1.0 - index, EPSILON) ** 0.75


def bce_jaccard(truth: Tensor, probability: Tensor, weight: Tensor) -> Tensor:
    """Sum of `binary_crossentropy` and `batch_jaccard`, of the same arrays."""
    return binary_crossentropy(truth, probability, weight) + batch_jaccard(truth, probability, weight)


LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "bce-jaccard": bce_jaccard,
    "bce": binary_crossentropy,
    "dice": batch_dice,
    "focal-tversky": focal_tversky,
}
"""What a configuration can ask for."""


@keras.saving.register_keras_serializable("groundglass")
class LesionLungLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss of the lesion plus `lung_weight` times that of the lung.

    y_true : (N, H, W, 4) float32: lesion, lung, and whether each of the two is known (1.0) or not (0.0).
    y_pred : (N, H, W, 2) float32 probabilities: lesion, lung.
    kind : a key of LOSSES.
    A pixel that is not known adds nothing to its term, neither value nor gradient.
    """

    def __init__(self, lung_weight: float = 0.5, kind: str = "bce-jaccard", name: str = "lesion_lung_loss") -> None:
        super().__init__(name=name, reduction="none")
        if kind not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {kind!r}")
        self.lung_weight, self.kind = lung_weight, kind

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the scalar loss of one batch."""
        loss = LOSSES[self.kind]
        lesion_term = loss(y_true[..., 0], y_pred[..., 0], y_true[..., 2])
        lung_term = loss(y_true[..., 1], y_pred[..., 1], y_true[..., 3])
        return lesion_term + self.lung_weight * lung_term

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"name": self.name, "lung_weight": self.lung_weight, "kind": self.kind}
