"""How far apart two outlines are: 95th-percentile Hausdorff distance and surface Dice, by DeepMind's surface-distance.

The empty-mask rule: where truth and prediction are both empty, neither figure is defined (NaN). Where exactly one is
empty, there is no distance (NaN, not infinity: left out of means, and counted) and the surface Dice is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import surface_distance
from numpy.typing import NDArray

TOLERANCE_PX = 3.0
PERCENTILE = 95.0

NAN = float("nan")


@dataclass(frozen=True)
class Surface:
    """How far two outlines of one slice are apart; the distance is in pixels of the slice, the Dice in 0.0 ... 1.0."""

    hd95_px: float
    surface_dice: float


def compare_surfaces(
    truth: NDArray[np.bool_], prediction: NDArray[np.bool_], *, tolerance_px: float = TOLERANCE_PX
) -> Surface:
    """Compare the outlines of two masks.

    The distance is the larger of two 95th percentiles: from the truth's outline to the prediction's, and back. The
    surface Dice is the share of both outlines, by length, that lies within `tolerance_px` of the other.
    Nikolov et al., Clinically Applicable Segmentation of Head and Neck Anatomy, J Med Internet Res 2021.

    Parameters
    ----------
    truth, prediction : (H, W) bool of one shape.
    tolerance_px : in pixels, at least 0.

    Raises
    ------
    ValueError : the shapes differ, are not (H, W), or the masks are not bool.
    """
    if truth.shape != prediction.shape or truth.ndim != 2:
        raise ValueError(f"masks must be (H, W) of one shape, got truth {truth.shape}, prediction {prediction.shape}")
    if truth.dtype != np.bool_ or prediction.dtype != np.bool_:
        raise ValueError(f"masks must be bool, got {truth.dtype} and {prediction.dtype}")
    if not truth.any() or not prediction.any():
        return Surface(NAN, 0.0 if truth.any() or prediction.any() else NAN)
    distances = surface_distance.compute_surface_distances(truth, prediction, spacing_mm=(1.0, 1.0))
    return Surface(
        float(surface_distance.compute_robust_hausdorff(distances, PERCENTILE)),
        float(surface_distance.compute_surface_dice_at_tolerance(distances, tolerance_px)),
    )
