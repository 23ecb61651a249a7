"""What a scan looks like, in numbers that any picture gives: its noise and how bright it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


@dataclass(frozen=True)
class Appearance:
    """Both in gray values of 0 ... 255."""

    noise: float
    brightness: float


def measure_appearance(image: NDArray[np.uint8]) -> Appearance:
    """Measure the noise and the mean gray value of (H, W) uint8, at least 3 x 3."""
    return Appearance(noise_level(image), float(image.mean()))


def noise_level(image: NDArray[np.uint8]) -> float:
    """Return an estimate of the standard deviation of the noise of (H, W) uint8, in gray values.

    The difference of two Laplacians removes structure; what is left of white noise of deviation s has mean absolute
    value 6 s sqrt(2 / pi): Immerkaer, Fast Noise Variance Estimation, 1996. Pixels that are or touch 0 or 255 are left
    out: the window has cut their noise off. 0.0 where no pixel is left.

    Raises
    ------
    ValueError : the picture is smaller than 3 x 3 or not (H, W).
    """
    if image.ndim != 2 or min(image.shape) < 3:
        raise ValueError(f"image must be (H, W) and at least 3x3, got shape {image.shape}")
    response = np.abs(cv2.filter2D(image.astype(np.float32), cv2.CV_32F, _LAPLACIANS))
    cut_off = ((image == 0) | (image == 255)).astype(np.uint8)
    whole = cv2.dilate(cut_off, np.ones((3, 3), np.uint8)) == 0
    whole[[0, -1]] = whole[:, [0, -1]] = False
    return float(math.sqrt(math.pi / 2.0) / 6.0 * response[whole].mean(dtype=np.float64)) if whole.any() else 0.0
