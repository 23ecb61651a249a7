"""Slice -> network input, and the inverse beside it. The only preprocessing: training and serving both call it.

The network's first layer is a batch normalisation and segmentation_models' own preprocessing for ResNet34 is the
identity, so a wrong range would run without an error and answer nonsense. The range is stated here once: 0.0 ... 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

INPUT_SIZE = 448
"""Height and width of the network input, in pixels."""

WINDOW_HU = (-1250.0, 250.0)
"""The Hounsfield units that become 0.0 and 1.0: what the network was trained on."""

Gray = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
FloatArray = NDArray[np.float32]


SQUARE_WITHIN = 1.01
"""A pixel whose sides differ by less is square: spacing is rounded."""

MOST_REFINED = 4


@dataclass(frozen=True)
class Placement:
    """Where a slice lies inside the square network input: the rectangle top, left, height, width in input pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The rectangle as (rows, columns), to index the first two axes of an array."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def placement(original_shape: tuple[int, int], size: int = INPUT_SIZE) -> Placement:
    """Centre a slice in a square, the longer side filling it, the aspect ratio kept.

    Parameters
    ----------
    original_shape : (height, width) in pixels, both at least 1.
    size : side of the square in pixels.

    >>> placement((100, 200), size=50)
    Placement(top=12, left=0, height=25, width=50)
    """
    height, width = original_shape
    if height < 1 or width < 1:
        raise ValueError(f"original_shape must be at least 1x1, got {original_shape}")
    scale = size / max(height, width)
    fitted_height = max(1, round(height * scale))
    fitted_width = max(1, round(width * scale))
    return Placement((size - fitted_height) // 2, (size - fitted_width) // 2, fitted_height, fitted_width)


def preprocess(pixels: Gray, *, value_range: tuple[float, float] = (0.0, 255.0), size: int = INPUT_SIZE) -> FloatArray:
    """Bring one gray slice to the network's input.

    Parameters
    ----------
    pixels : (H, W), uint8, uint16 or float32, rows from top to bottom as displayed.
    value_range : the values that become 0.0 and 1.0; what lies outside is clipped.
    size : side of the square input in pixels.

    Returns
    -------
    (size, size, 1) float32 in 0.0 ... 1.0; the slice is centred, its aspect ratio kept, the rest is 0.0 (air).
    A constant slice gives a constant input.

    Raises
    ------
    ValueError : pixels is not two-dimensional, or value_range is empty or reversed.
    """
    if pixels.ndim != 2:
        raise ValueError(f"pixels must be (H, W), got shape {pixels.shape}")
    return letterbox(window(pixels, value_range), size)[..., np.newaxis]


def window(pixels: Gray, value_range: tuple[float, float] = WINDOW_HU) -> FloatArray:
    """Bring pixel values to 0.0 ... 1.0.

    Parameters
    ----------
    pixels : any shape; gray values or Hounsfield units.
    value_range : the values that become 0.0 and 1.0; what lies outside is clipped.

    Raises
    ------
    ValueError : value_range is empty or reversed.

    >>> window(np.array([-1250.0, -500.0, 3000.0], np.float32)).tolist()
    [0.0, 0.5, 1.0]
    """
    low, high = value_range
    if not high > low:
        raise ValueError(f"value_range must grow, got {value_range}")
    return np.asarray(np.clip((pixels.astype(np.float32) - low) / (high - low), 0.0, 1.0), np.float32)


def preprocess_mask(mask: NDArray[Any], *, size: int = INPUT_SIZE) -> FloatArray:
    """Bring one mask to the geometry that `preprocess` gives its slice.

    Parameters
    ----------
    mask : (H, W), any dtype; what is not zero is foreground.

    Returns
    -------
    (size, size, 1) float32, 0.0 or 1.0: a pixel is foreground where at least half of it is covered.
    """
    covered = letterbox((mask > 0).astype(np.float32), size)
    return (covered >= 0.5).astype(np.float32)[..., np.newaxis]


def restore(probabilities: FloatArray, original_shape: tuple[int, int]) -> FloatArray:
    """Bring network output back to the slice's own height and width: the inverse of `preprocess`.

    Parameters
    ----------
    probabilities : (size, size, C) float32 in 0.0 ... 1.0.
    original_shape : (height, width) of the slice.

    Returns
    -------
    (height, width, C) float32 in 0.0 ... 1.0.
    """
    rows, columns = placement(original_shape, probabilities.shape[0]).window
    channels = probabilities.shape[2]
    restored = resize(np.ascontiguousarray(probabilities[rows, columns]), original_shape)
    return np.clip(restored.reshape(*original_shape, channels), 0.0, 1.0)


def square_shape(shape: tuple[int, int], spacing_mm: tuple[float, float] | None) -> tuple[int, int]:
    """Return the height and width at which a slice shows the patient in his proportions.

    Parameters
    ----------
    shape : height and width in pixels.
    spacing_mm : height and width of a pixel; None where unknown: then pixels are taken for square.

    Returns
    -------
    The shape with the coarser direction refined, but no side longer than MOST_REFINED times the longer one.

    >>> square_shape((256, 512), (1.4, 0.7)), square_shape((512, 512), (0.7, 0.7))
    ((512, 512), (512, 512))
    """
    if spacing_mm is None or max(spacing_mm) <= SQUARE_WITHIN * min(spacing_mm):
        return shape
    sides = [length * size / min(spacing_mm) for length, size in zip(shape, spacing_mm, strict=True)]
    shrink = min(1.0, MOST_REFINED * max(shape) / max(sides))
    return max(1, round(sides[0] * shrink)), max(1, round(sides[1] * shrink))


def in_proportion(pixels: Gray, spacing_mm: tuple[float, float] | None) -> Gray:
    """Return a slice with square pixels, as the network has learned; parameters as in `preprocess`, `square_shape`."""
    shape = square_shape((pixels.shape[0], pixels.shape[1]), spacing_mm)
    return pixels if shape == pixels.shape else resize(np.asarray(pixels, np.float32), shape)


def letterbox(image: FloatArray, size: int) -> FloatArray:
    """Place (H, W) float32 into (size, size) float32 by `placement`, the border 0.0."""
    place = placement((image.shape[0], image.shape[1]), size)
    boxed = np.zeros((size, size), np.float32)
    boxed[place.window] = resize(image, (place.height, place.width))
    return boxed


def resize(image: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Resize (H, W) or (H, W, C) float32 to shape (height, width): by area when it shrinks, else linearly."""
    height, width = shape
    if image.shape[:2] == shape:
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    # OpenCV takes (width, height), the opposite order of NumPy's shape.
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.float32)
