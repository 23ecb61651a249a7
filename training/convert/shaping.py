"""What may be done to a slice before it is stored: cut it to the lungs, and even out its contrast.

Neither is done when serving. A network that is trained on such slices must be evaluated on such slices.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import Sample
from training.data.strokes import ByteImage

CLIP_LIMIT = 2.0
TILES = 8
"""Of the equalisation: how steep it may get, as a multiple of none, and tiles along each side. Both are usual."""


def shape(sample: Sample, *, clahe: bool = False, crop_lungs_percent: float | None = None) -> Sample:
    """Cut a slice to its lungs, then even out its contrast, as far as asked for.

    In this order, so that a slice that was sent as a crop and one that is cropped here have tiles of one size.
    """
    if crop_lungs_percent is not None:
        sample = crop_to_lungs(sample, crop_lungs_percent)
    return Sample(equalise(sample.image), sample.lesion, sample.lung) if clahe else sample


def equalise(image: ByteImage) -> ByteImage:
    """Even out the contrast of (H, W) uint8 by tiles, limited (CLAHE); the same shape and dtype come back."""
    equalised = cv2.createCLAHE(clipLimit=CLIP_LIMIT, tileGridSize=(TILES, TILES)).apply(image)
    return np.asarray(equalised, np.uint8)


def crop_to_lungs(sample: Sample, margin_percent: float) -> Sample:
    """Cut slice and masks to the box of the lung mask.

    Parameters
    ----------
    margin_percent : added on every side, in percent of the box's height above and below, of its width left and right;
        rounded up to pixels, and ending at the border of the slice.

    Returns
    -------
    The cut sample; the whole one where the lung mask is missing or empty.

    Raises
    ------
    ValueError : the margin is negative or not finite.
    """
    if not 0.0 <= margin_percent < math.inf:
        raise ValueError(f"margin_percent must be at least 0, got {margin_percent}")
    if sample.lung is None or not sample.lung.any():
        return sample
    rows, columns = (np.asarray(sample.lung.any(axis=axis)) for axis in (1, 0))
    box = _span(rows, margin_percent), _span(columns, margin_percent)
    return Sample(sample.image[box], sample.lesion[box], sample.lung[box])


def _span(present: NDArray[np.bool_], margin_percent: float) -> slice:
    """Return from the first to the last of what is present, (N,) bool with at least one, with the margin."""
    first, last = (int(position) for position in np.flatnonzero(present)[[0, -1]])
    margin_px = math.ceil((last + 1 - first) * margin_percent / 100.0)
    return slice(max(0, first - margin_px), min(len(present), last + 1 + margin_px))
