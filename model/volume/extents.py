"""How much of a volume each of its slices stands for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.decode.ct import CtVolume


def voxel_ml(volume: CtVolume) -> tuple[float, ...] | None:
    """Return the volume of a voxel of each slice in millilitres; None where unknown."""
    if volume.affine is None or volume.extents_mm is None:
        return None
    pixel_mm2 = float(np.linalg.norm(np.cross(volume.affine[:3, 0], volume.affine[:3, 1])))
    return tuple(extent * pixel_mm2 / 1000.0 for extent in volume.extents_mm)


def shared_out(weights: Sequence[float], read: Sequence[bool]) -> tuple[float, ...]:
    """Return what each slice stands for once those that were not read are shared between the nearest that were.

    >>> shared_out([4.0, 4.0, 4.0, 4.0], [False, True, False, True])
    (0.0, 10.0, 0.0, 6.0)
    """
    known = np.flatnonzero(read)
    shared = np.zeros(len(weights))
    for number, weight in enumerate(weights):
        distances = np.abs(known - number)
        nearest = known[known <= number][-1:], known[known >= number][:1]
        heirs = np.concatenate(nearest) if distances.min() else known[distances == 0]
        shared[heirs] += weight / heirs.size
    return tuple(float(weight) for weight in shared)
