"""Two readings of one slice -> how far they agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.findings import lesion_mask


@dataclass(frozen=True)
class Agreement:
    """Lesion pixels of the readings of a slice and of its mirror image, at one threshold; those of slices add up.

    common_px : in both. total_px : in the one, and in the other, added up.
    """

    common_px: int
    total_px: int

    @property
    def dice(self) -> float | None:
        """Return Dice = 2 |A ∩ B| / (|A| + |B|), 0.0 ... 1.0; None where neither shows a lesion.

        >>> Agreement(3, 8).dice, Agreement(0, 0).dice
        (0.75, None)
        """
        return 2.0 * self.common_px / self.total_px if self.total_px else None

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.common_px + other.common_px, self.total_px + other.total_px)


def agreement(plain: NDArray[np.float32], mirrored: NDArray[np.float32], threshold: float) -> Agreement:
    """Compare two readings.

    plain, mirrored : (H, W) float32, lesion probabilities in 0.0 ... 1.0, both turned as the slice is.
    threshold : probability from which a pixel is lesion.
    """
    first, second = lesion_mask(plain, threshold), lesion_mask(mirrored, threshold)
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return Agreement(int(np.count_nonzero(first & second)), total)
