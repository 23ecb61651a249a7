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
        # Elsewhere there is nothing to be labelled.
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        box = slice(top, top + height), slice(left, left + width)
        numbered: Labels = np.zeros(mask.shape, np.int32)
        if width:
            self._number(mask[box], numbered[box], weight)
            if self._previous is not None:
                around = np.pad(self._previous, 1)[top : top + height + 2, left : left + width + 2]
                for above, below in _touching(numbered[box], around):
                    self._join(above - 1, below - 1)
        self._previous = numbered

    def _number(self, mask: Mask, numbered: Labels, weight: float) -> None:
        """Number the regions of a slice on from those before: 0 is background, any other label one more than that."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        first = len(self._parents)
        self._parents.extend(range(first, first + count - 1))
        self._sizes.extend(weight * float(area) for area in stats[1:, cv2.CC_STAT_AREA])
        np.add(labels, first, out=numbered, where=np.asarray(labels) > 0)

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
    """Return the pairs of labels that lie above each other or one pixel aside.

    labels : (H, W). previous : (H + 2, W + 2), one pixel more on each side.
    """
    rows, columns = np.nonzero(labels)
    above = labels[rows, columns].astype(np.int64) << 32
    pairs: set[tuple[int, int]] = set()
    for row in range(3):
        for column in range(3):
            below = previous[rows + row, columns + column]
            both = (above | below)[below > 0]
            # Pixels of a row follow one another with the same pair: one of each run is enough.
            firsts = both[np.flatnonzero(np.diff(both, prepend=-1))]
            pairs.update((pair >> 32, pair & 0xFFFFFFFF) for pair in np.unique(firsts).tolist())
    return pairs
