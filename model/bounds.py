"""Probabilities -> the same, without lesions away from the lungs: bowel and clothes can look like ground glass."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from model.findings import LUNG_THRESHOLD

FloatArray = NDArray[np.float32]

SMALLEST_LUNG = 0.002
"""Of the slice: a smaller piece of lung is a stray, and bounds nothing."""

MARGIN = 0.01
"""Of the slice's longer side: how far from a lung a lesion may still lie."""


def bound_to_lungs(probability: FloatArray) -> FloatArray:
    """Set the lesion to 0.0 where it lies in no lung, nor near one.

    A lung is the convex hull of a piece of the lung channel, so that dense consolidation counts, which the network can
    take for chest wall. Where there is no lung, there is no lesion.

    Parameters
    ----------
    probability : (H, W, 2) float32 in 0.0 ... 1.0, lesion and lung.

    Returns
    -------
    A new array of the same shape; the lung channel is unchanged.
    """
    bounded = probability.copy()
    bounded[..., 0] *= _near_lungs(probability[..., 1])
    return bounded


def _near_lungs(lung: FloatArray) -> NDArray[np.uint8]:
    """Return (H, W) uint8: 1 in the convex hull of every large enough piece of lung and up to MARGIN around it."""
    hulls = np.zeros(lung.shape, np.uint8)
    pieces, _ = cv2.findContours((lung >= LUNG_THRESHOLD).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for hull in map(cv2.convexHull, pieces):
        if cv2.contourArea(hull) >= SMALLEST_LUNG * lung.size:
            cv2.fillConvexPoly(hulls, hull, 1)
    reach = max(1, round(MARGIN * max(lung.shape)))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(hulls, disk), np.uint8)
