"""Lung masks for the slices above and below those where lungs were drawn, from one slice to the next.

Where lungs were drawn only on slices with lesions, a network never learns that bowel, stomach and the air between
clothes are no lung. Lungs reach from slice to slice; what looks like them elsewhere does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import UNKNOWN
from training.data.strokes import ByteImage

AIR_GRAY = 145
"""Darker pixels are air or lung: about -400 HU in the window of the labelled scans."""

SPECK_PX = 30
"""A smaller dark piece is a vessel's gap or a bubble, and is left open."""

SAME, OTHER = 0.6, 0.05
"""A dark piece is lung where at least SAME of it lies in the lungs of the slice before, and none where at most OTHER
of it does; in between nobody knows."""

GAP_PX = 5
"""Vessels up to this width are closed."""


def follow_lungs(image: ByteImage, before: ByteImage) -> ByteImage:
    """Find the lungs of a slice from those of its neighbour towards the middle of the chest.

    Parameters
    ----------
    image : (H, W) uint8, in the window of the labelled scans.
    before : (H, W) uint8, the neighbour's lungs: 0, 255 or UNKNOWN.

    Returns
    -------
    (H, W) uint8: 255 lung, 0 none, UNKNOWN in dark pieces that are neither for sure, and around their edges.
    """
    dark = _opened((image < AIR_GRAY).astype(np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
    inside = np.bincount(pieces[before == 255], minlength=count) / np.maximum(1, stats[:, cv2.CC_STAT_AREA])
    possible = np.bincount(pieces[before != 0], minlength=count) / np.maximum(1, stats[:, cv2.CC_STAT_AREA])
    kind = np.full(count, UNKNOWN, np.uint8)
    kind[inside >= SAME] = 255
    kind[possible <= OTHER] = 0
    kind[stats[:, cv2.CC_STAT_AREA] < SPECK_PX] = UNKNOWN
    kind[0] = 0  # what is not dark
    return _closed(kind[pieces])


def _opened(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut thin bridges, so that two dark pieces are not taken for one."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)


def _closed(labels: ByteImage) -> ByteImage:
    """Close vessels inside the lungs; the edge of the result is left open."""
    lung = (labels == 255).astype(np.uint8)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (GAP_PX, GAP_PX))
    filled = np.asarray(cv2.morphologyEx(lung, cv2.MORPH_CLOSE, disk), np.uint8) > 0
    edge = (np.asarray(cv2.dilate(lung, np.ones((3, 3), np.uint8)), np.uint8) > 0) & ~filled
    result = np.where(edge & (labels == 0), UNKNOWN, labels)
    return np.where(filled, 255, result).astype(np.uint8)


def complete(images: Sequence[ByteImage], lungs: Sequence[ByteImage | None]) -> list[ByteImage | None]:
    """Fill in the lungs of one patient's slices, in their order, from the nearest slices where they were drawn.

    Parameters
    ----------
    images : (H, W) uint8 each, all of one shape.
    lungs : the same, or None where they were not drawn.

    Returns
    -------
    A mask for every slice; all None where no lungs were drawn at all.
    """
    drawn = [number for number, lung in enumerate(lungs) if lung is not None]
    found = list(lungs)
    if not drawn:
        return found
    # Each gap is filled from the middle of the chest outwards: the middle is where lungs were drawn.
    middle = drawn[len(drawn) // 2]
    upwards, downwards = range(middle + 1, len(images)), range(middle - 1, -1, -1)
    for order, step in ((upwards, -1), (downwards, 1)):
        for number in order:
            before = found[number + step]
            if found[number] is None and before is not None:
                found[number] = follow_lungs(images[number], before)
    return found
