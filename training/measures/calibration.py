"""Do probabilities mean what they say: reliability, expected calibration error, temperature.

All of it is taken near lesions only, from pixels within NEAR_PX of a true or a called lesion. Far from them lie
nineteen of twenty pixels, with probabilities near 0 that are nearly always right: with them any network looks
calibrated.

A probability of exactly 0.0 is one that `model.bounds` took away, not one that the network stated. It is 0.0 at any
temperature, while a histogram would take it for a low logit that a temperature raises; whoever counts pixels for these
figures leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from training.measures.curves import LOGITS, Histogram, Values

NEAR_PX = 10
RELIABILITY_BINS = 15
"""Of equal width, as in Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""
TEMPERATURES = (0.05, 20.0)
"""Where the temperature is looked for."""
LEAST_SHARE = 0.01
"""A bin with a smaller share of the pixels than this is left out of the largest gap: it may be chance."""
AT_A_BOUND = 0.01
"""A temperature found this close to an end of TEMPERATURES, as a share of it, is that end and no optimum."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reliability:
    """(RELIABILITY_BINS,) each: mean probability and share of lesion in a bin (NaN where it is empty), and pixels."""

    probability: Values
    share: Values
    pixels: NDArray[np.int64]


@dataclass(frozen=True)
class Gap:
    """A bin of `reliability`: mean probability, share of lesion, pixels."""

    probability: float
    share: float
    pixels: int

    @property
    def size(self) -> float:
        """How far what is stated lies from what is found, in 0.0 ... 1.0."""
        return abs(self.probability - self.share)


def near_lesions(truth: Mask, called: Mask, *, distance_px: int = NEAR_PX) -> Mask:
    """Return (H, W) bool: pixels at most `distance_px` away from a pixel of either (H, W) bool mask; they are included.

    Two empty masks give an empty one.
    """
    if truth.shape != called.shape:
        raise ValueError(f"truth {truth.shape} and called {called.shape} differ in shape")
    rows, columns = np.ogrid[-distance_px : distance_px + 1, -distance_px : distance_px + 1]
    disc = (rows**2 + columns**2 <= distance_px**2).astype(np.uint8)
    return np.asarray(cv2.dilate((truth | called).astype(np.uint8), disc) > 0)


def probabilities(temperature: float = 1.0) -> Values:
    """Return (BINS,) the probability of each bin of a histogram, its logit divided by `temperature`."""
    return np.asarray(1.0 / (1.0 + np.exp(-LOGITS / temperature)))


def reliability(histogram: Histogram, *, temperature: float = 1.0) -> Reliability:
    """Hold probabilities against shares of lesion, in RELIABILITY_BINS bins of equal width."""
    stated = probabilities(temperature)
    bins = np.minimum((stated * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    pixels = histogram.counts.sum(axis=0)
    total = np.bincount(bins, pixels, RELIABILITY_BINS)
    some = total > 0
    nothing = np.full(RELIABILITY_BINS, np.nan)
    stated_sum = np.bincount(bins, pixels * stated, RELIABILITY_BINS)
    lesion_sum = np.bincount(bins, histogram.counts[1], RELIABILITY_BINS)
    return Reliability(
        np.divide(stated_sum, total, out=nothing.copy(), where=some),
        np.divide(lesion_sum, total, out=nothing.copy(), where=some),
        total.astype(np.int64),
    )


def expected_calibration_error(histogram: Histogram, *, temperature: float = 1.0) -> float:
    """Return the mean over pixels of |mean probability - share of lesion| of their bin; NaN without pixels.

    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    found = reliability(histogram, temperature=temperature)
    total = int(found.pixels.sum())
    if total == 0:
        return float("nan")
    gaps = np.nan_to_num(np.abs(found.probability - found.share))
    return float(np.sum(gaps * found.pixels) / total)


def largest_gap(histogram: Histogram) -> Gap | None:
    """Return the bin whose mean probability lies furthest from its share of lesion; None without pixels.

    Only bins with at least LEAST_SHARE of the pixels count.
    """
    found = reliability(histogram)
    least = max(1.0, LEAST_SHARE * int(found.pixels.sum()))
    gaps = [
        Gap(float(probability), float(share), int(pixels))
        for probability, share, pixels in zip(found.probability, found.share, found.pixels, strict=True)
        if pixels >= least
    ]
    return max(gaps, key=lambda gap: gap.size, default=None)


def brier_score(histogram: Histogram, *, temperature: float = 1.0) -> float:
    """Return the mean squared difference of probability and truth (0 or 1); NaN without pixels."""
    total = int(histogram.counts.sum())
    stated = probabilities(temperature)
    squares = histogram.counts[0] * stated**2 + histogram.counts[1] * (1.0 - stated) ** 2
    return float(squares.sum() / total) if total else float("nan")


def negative_log_likelihood(histogram: Histogram, *, temperature: float = 1.0) -> float:
    """Return the mean over pixels of -log of the probability given to the truth, in nats; NaN without pixels."""
    total = int(histogram.counts.sum())
    logits = LOGITS / temperature
    # log(1 + exp(z)), without overflow.
    losses = histogram.counts[0] * np.logaddexp(0.0, logits) + histogram.counts[1] * np.logaddexp(0.0, -logits)
    return float(losses.sum() / total) if total else float("nan")


def fit_temperature(histogram: Histogram) -> float:
    """Return the temperature that minimises the negative log-likelihood, within TEMPERATURES.

    The logit of the lesion is to be divided by it; above 1 the network was too sure. NaN where a class is absent: the
    best temperature would then be 0. NaN, too, where the minimum lies at an end of TEMPERATURES, as it does where the
    classes are told apart without error or not at all. The likelihood is convex in 1 / temperature, so there is one
    minimum.
    """
    if histogram.positives == 0 or histogram.negatives == 0:
        return float("nan")
    found = minimize_scalar(
        lambda inverse: negative_log_likelihood(histogram, temperature=1.0 / inverse),
        bounds=(1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]),
        method="bounded",
        options={"xatol": 1e-6},
    )
    temperature, (low, high) = float(1.0 / found.x), TEMPERATURES
    inside = low * (1.0 + AT_A_BOUND) < temperature < high * (1.0 - AT_A_BOUND)
    return temperature if inside else float("nan")
