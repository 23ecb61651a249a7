"""Masks, slice after slice -> lesions in three dimensions, without the whole volume in memory."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from model.findings import Mask

Labels = NDArray[np.int32]


class Regions:
    """Joins what touches by face, edge or corner, as slices are added from one end to the other."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._sizes: list[float] = []
        self._previous: Labels | None = None

    def add(self, mask: Mask, *, weight: float = 1.0) -> None:
        """Add the next slice.

        Parameters
        ----------
        mask : (H, W) bool, of the same shape as the slices before.
        weight : what a pixel of this slice counts, its volume say.
        """
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        first = len(self._parents)
        self._parents.extend(range(first, first + count - 1))
        self._sizes.extend(weight * float(area) for area in stats[1:, cv2.CC_STAT_AREA])
        # From here on 0 is background and any other label one more than the region's number.
        numbered = np.where(labels > 0, labels + first, 0).astype(np.int32)
        if self._previous is not None and count > 1:
            for above, below in _touching(numbered, self._previous):
                self._join(above - 1, below - 1)
        self._previous = numbered

    def _join(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        if one != other:
            self._parents[max(one, other)] = min(one, other)

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            # Halving the path keeps it short.
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def sizes(self) -> list[float]:
        """Return the size of each region, the largest first."""
        total: dict[int, float] = {}
        for number, size in enumerate(self._sizes):
            root = self._root(number)
            total[root] = total.get(root, 0.0) + size
        return sorted(total.values(), reverse=True)


def _touching(labels: Labels, previous: Labels) -> set[tuple[int, int]]:
    """Return the pairs of labels that lie above each other or one pixel aside."""
    pairs: set[tuple[int, int]] = set()
    rows, columns = np.nonzero(labels)
    padded = np.pad(previous, 1)
    for row in range(3):
        for column in range(3):
            below = padded[rows + row, columns + column]
            met = below > 0
            found = np.unique(np.stack([labels[rows[met], columns[met]], below[met]], axis=1), axis=0)
            pairs.update((int(above), int(under)) for above, under in found)
    return pairs
