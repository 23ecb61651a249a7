"""Which slice of a volume each plane of a file with even distances holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.decode.ct import CtVolume
from model.decode.series import UNEVEN_FROM

MOST_PLANES = 4
"""For each slice: where one gap is many times the others, planes are further apart than slices are elsewhere."""


def planes(volume: CtVolume) -> tuple[int, ...]:
    """Return the number of a slice, counted from 0, for each plane from the feet to the head.

    Even slices come as they are. Of uneven ones each plane holds the nearest slice, at the usual distance of
    neighbours, so that what is measured in the file is as large as in the patient.
    """
    if volume.extents_mm is None or not is_uneven(volume):
        return tuple(range(len(volume)))
    gaps = _gaps(volume.extents_mm)
    depths = np.concatenate([[0.0], np.cumsum(gaps)])
    count = min(1 + round(float(depths[-1] / np.median(gaps))), MOST_PLANES * len(volume))
    even = np.linspace(0.0, depths[-1], count)
    return tuple(int(np.argmin(np.abs(depths - depth))) for depth in even)


def _gaps(extents: Sequence[float]) -> NDArray[np.float64]:
    """Return the distances of neighbours, of what each slice stands for: half the way to either neighbour."""
    gaps = [extents[0]]
    for extent in extents[1:-1]:
        gaps.append(2.0 * extent - gaps[-1])
    return np.array(gaps, np.float64)


def is_uneven(volume: CtVolume) -> bool:
    """Whether the distances of its slices differ so much that files with even ones would have them at wrong places."""
    extents = volume.extents_mm
    return extents is not None and max(extents) > UNEVEN_FROM * min(extents)
