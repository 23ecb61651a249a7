"""BCE + Jaccard over lesion and lung, with the lung masked where no lung mask exists."""

from __future__ import annotations

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


def bce_jaccard(truth: Tensor, probability: Tensor, weight: Tensor) -> Tensor:
    """Sum of `binary_crossentropy` and `batch_jaccard`, of the same arrays."""
    return binary_crossentropy(truth, probability, weight) + batch_jaccard(truth, probability, weight)


@keras.saving.register_keras_serializable("groundglass")
class LesionLungLoss(keras.losses.Loss):  # type: ignore[misc]
    """BCE-Jaccard of the lesion plus `lung_weight` times that of the lung.

    y_true : (N, H, W, 3) float32: lesion, lung, and whether the lung is known (1.0) or not (0.0).
    y_pred : (N, H, W, 2) float32 probabilities: lesion, lung.
    A slice whose lung is not known adds nothing to the lung term, neither value nor gradient.
    """

    def __init__(self, lung_weight: float = 0.5, name: str = "lesion_lung_loss") -> None:
        super().__init__(name=name, reduction="none")
        self.lung_weight = lung_weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the scalar loss of one batch."""
        lesion, lung, lung_known = y_true[..., 0], y_true[..., 1], y_true[..., 2]
        lesion_term = bce_jaccard(lesion, y_pred[..., 0], ops.ones_like(lesion))
        lung_term = bce_jaccard(lung, y_pred[..., 1], lung_known)
        return lesion_term + self.lung_weight * lung_term

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"name": self.name, "lung_weight": self.lung_weight}
