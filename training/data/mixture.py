"""How many slices of each part of the data an epoch holds, and in which order they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mixture:
    """Parts that lie one behind the other in a sequence of slices.

    sizes : how many slices each part has.
    counts : how many of them an epoch holds; more than there are repeats some, fewer leaves some out.
    """

    sizes: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Slices of an epoch."""
        return sum(self.counts)

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw an epoch: (total,) int64 positions in the sequence of slices, shuffled.

        No slice of a part comes twice more often than another: whole shuffles follow one another.
        """
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        drawn = [
            start + _draw(size, count, rng) for start, size, count in zip(starts, self.sizes, self.counts, strict=True)
        ]
        return rng.permutation(np.concatenate(drawn)).astype(np.int64)


def _draw(size: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rounds = [rng.permutation(size) for _ in range(-(-count // size))]
    return np.concatenate([*rounds, np.zeros(0, np.int64)])[:count].astype(np.int64)


def mix(sizes: Sequence[int], shares: Sequence[float], total: int | None = None) -> Mixture:
    """Give each part its share of an epoch.

    Parameters
    ----------
    sizes : of the labelled slices first, then of the further parts.
    shares : of the further parts, each above 0 and together below 1; the labelled slices take the rest.
    total : slices of an epoch; unless given, as many as make each labelled slice come once.

    >>> mix([60, 10], [0.25])
    Mixture(sizes=(60, 10), counts=(60, 20))
    """
    rest = 1.0 - sum(shares)
    if any(share <= 0.0 for share in shares) or rest <= 0.0:
        raise ValueError(f"shares must each be above 0 and together below 1, got {list(shares)}")
    if any(size < 1 for size in sizes):
        raise ValueError(f"a part of the data is empty: {list(sizes)} slices")
    whole = sizes[0] / rest if total is None else total
    return Mixture(tuple(sizes), tuple(round(share * whole) for share in (rest, *shares)))
