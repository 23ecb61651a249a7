"""Probabilities <-> the whole numbers of 0 to 65535 that they are kept as, so that no threshold counts otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model.blocks import pieces
from model.findings import lesion_mask

FloatArray = NDArray[np.float32]

STEPS = 65535
"""What a probability of 1.0 is kept as."""

THRESHOLDS = tuple(number / 100 for number in range(1, 100))
"""0.01, 0.02 ... 0.99: the thresholds at which kept probabilities count exactly what the network's own do."""

_PROBABILITIES = np.arange(STEPS + 1, dtype=np.float32) / np.float32(STEPS)


@lru_cache(maxsize=1024)
def first_step(threshold: float) -> int:
    """Return the least step that is lesion at a threshold, above 0 and below 1.

    >>> first_step(0.2), first_step(0.5)
    (13107, 32768)
    """
    return int(np.argmax(lesion_mask(_PROBABILITIES, threshold)))


def to_steps(probability: FloatArray, *thresholds: float) -> NDArray[np.uint16]:
    """Return probabilities in steps: rounded, but none goes to the other side of one of THRESHOLDS, or of others.

    Of two thresholds less than a step apart the higher counts exactly.

    Parameters
    ----------
    probability : float32 in 0.0 ... 1.0, of any shape.
    thresholds : further ones that must count exactly: that at which a slice was read, say.

    Returns
    -------
    uint16 of the same shape.
    """
    every = sorted({*THRESHOLDS, *thresholds})
    cuts = first_steps(every)
    # Where two thresholds share a step, one of them loses: the step of the higher is taken.
    least, most = np.concatenate([[0], cuts]), np.concatenate([cuts - 1, [STEPS]])
    levels, steps = np.asarray(every, np.float32), np.empty(probability.size, np.uint16)
    # Rounding moves a value by half a step at most: only what comes to lie beside a threshold can have crossed it.
    beside = np.zeros(STEPS + 1, np.bool_)
    beside[cuts], beside[cuts - 1] = True, True
    for some in pieces(probability.size):
        values = probability.reshape(-1)[some]
        rounded = np.rint(values * np.float32(STEPS)).astype(np.uint16)
        doubtful = np.flatnonzero(beside[rounded])
        passed = np.searchsorted(levels, values[doubtful], side="right")
        rounded[doubtful] = np.clip(rounded[doubtful], least[passed], most[passed])
        steps[some] = rounded
    return steps.reshape(probability.shape)


def first_steps(thresholds: Sequence[float]) -> NDArray[np.int64]:
    """Return `first_step` of each of several thresholds."""
    return np.array([first_step(threshold) for threshold in thresholds], np.int64)


def to_probability(steps: NDArray[np.uint16]) -> FloatArray:
    """Return float32 in 0.0 ... 1.0 of kept steps, of the same shape."""
    return np.asarray(np.divide(steps, np.float32(STEPS), dtype=np.float32))
