"""Lesion by lesion: which of the drawn ones were found, and which of the called ones are nowhere drawn.

A lesion is a region of pixels that touch by side or corner (8-connectivity), as in model.findings. A true lesion is
found where at least one of its pixels is called; a called lesion is false where none of its pixels is lesion in the
truth. One called region may find several true ones. No region is too small to count.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LesionCounts:
    """Numbers of lesions; counts of several slices add up."""

    true: int
    found: int
    false: int

    def __add__(self, other: LesionCounts) -> LesionCounts:
        return LesionCounts(self.true + other.true, self.found + other.found, self.false + other.false)

    @property
    def sensitivity(self) -> float:
        """The share of true lesions that were found; NaN where there is none."""
        return self.found / self.true if self.true else float("nan")


NO_LESIONS = LesionCounts(0, 0, 0)
"""The neutral element of adding counts."""


def count_lesions(truth: Mask, called: Mask) -> LesionCounts:
    """Count true, found and false lesions of two (H, W) bool masks of one shape.

    Raises
    ------
    ValueError : the shapes differ or are not (H, W).

    >>> count_lesions(np.array([[True, False, False]]), np.array([[False, False, True]]))
    LesionCounts(true=1, found=0, false=1)
    """
    if truth.shape != called.shape or truth.ndim != 2:
        raise ValueError(f"masks must be (H, W) of one shape, got truth {truth.shape}, called {called.shape}")
    true, found = _count_touched(truth, called)
    regions, touching = _count_touched(called, truth)
    return LesionCounts(true, found, regions - touching)


def _count_touched(regions: Mask, other: Mask) -> tuple[int, int]:
    """Return how many regions the first mask has, and how many of them share a pixel with the second."""
    labels, marked = cv2.connectedComponents(regions.astype(np.uint8), connectivity=8)
    return labels - 1, int(np.count_nonzero(np.unique(marked[other])))
