"""Confidence intervals by resampling patients.

Slices of one patient are alike, so resampling slices would pretend to know more than is known. Patients are drawn with
replacement, as many as there are, each with all its slices. With four patients there are only 35 different samples: the
intervals are wide and coarse, and that is the truth about four patients.
Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).

Where only one patient has a figure, every sample repeats that one, and the interval would have no width: as if nothing
were uncertain, while nothing is known about other patients. Such an interval is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

DRAWS = 2000
LEVEL = 0.95

Result = TypeVar("Result")
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Interval:
    """The ends of a confidence interval; NaN where no sample defines the figure, or too few patients have it."""

    low: float
    high: float


UNKNOWN = Interval(math.nan, math.nan)


def bootstrap(
    groups: Mapping[str, Sequence[Result]],
    figures_of: Callable[[Sequence[Result]], Figures],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[str, Interval]:
    """Return the 95 % percentile interval of each figure over resampled groups.

    An interval without width is given only where at least two groups, each by itself, have the figure.

    Parameters
    ----------
    groups : the results of each patient, by the patient's name.
    figures_of : results -> figures by name; the same names each time. Samples in which one is NaN do not count for it.
    rng : draws the samples; the same state gives the same intervals.
    draws : number of samples.

    Raises
    ------
    ValueError : there is no group, or no draw.
    """
    if not groups or draws < 1:
        raise ValueError(f"bootstrap needs groups and draws, got {len(groups)} groups and {draws} draws")
    names = sorted(groups)
    # Sorted, a sample is known by its members: few patients give few different samples, each summed up once.
    samples = np.sort(rng.integers(len(names), size=(draws, len(names))), axis=1)
    different, times = np.unique(samples, axis=0, return_counts=True)
    found = [figures_of([result for member in sample for result in groups[names[member]]]) for sample in different]
    intervals = {name: _interval([figures[name] for figures in found], times) for name in found[0]}
    alone = [figures_of(groups[name]) for name in names]
    return {
        name: interval if _has_width(interval) or _defined(name, alone) >= 2 else UNKNOWN
        for name, interval in intervals.items()
    }


def _has_width(interval: Interval) -> bool:
    # Not equality: a mean of copies of one number may differ from it in the last digit.
    return not math.isclose(interval.low, interval.high, rel_tol=1e-9, abs_tol=1e-12)


def _defined(name: str, figures: Sequence[Figures]) -> int:
    return sum(not math.isnan(found[name]) for found in figures)


def _interval(values: Sequence[float], times: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Interval:
    drawn = np.repeat(np.asarray(values, np.float64), times)
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size == 0:
        return UNKNOWN
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(float(low), float(high))
