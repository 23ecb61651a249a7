"""Which slice of a volume each plane of a file with even distances holds."""

from __future__ import annotations

import numpy as np

from model.decode.ct import CtVolume
from model.decode.series import UNEVEN_FROM

MOST_PLANES = 4
"""For each slice: where one gap is many times the others, planes are further apart than slices are elsewhere."""


def planes(volume: CtVolume) -> tuple[int, ...]:
    """Return the number of a slice, counted from 0, for each plane from the feet to the head.

    Even slices come as they are. Of uneven ones each plane holds the nearest slice, at the usual distance of
    neighbours, so that what is measured in the file is as large as in the patient.
    """
    heights = np.array([place.z_mm for place in volume.places if place.z_mm is not None], np.float64)
    if heights.size < len(volume) or not is_uneven(volume):
        return tuple(range(len(volume)))
    usual = float(np.median(np.diff(heights)))
    count = min(1 + round((heights[-1] - heights[0]) / usual), MOST_PLANES * len(volume))
    even = np.linspace(heights[0], heights[-1], count)
    return tuple(int(np.argmin(np.abs(heights - height))) for height in even)


def is_uneven(volume: CtVolume) -> bool:
    """Whether the distances of its slices differ so much that files with even ones would have them at wrong places."""
    extents = volume.extents_mm
    return extents is not None and max(extents) > UNEVEN_FROM * min(extents)
