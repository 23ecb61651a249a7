from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from training.measures.calibration import (
    RELIABILITY_BINS,
    Gap,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    largest_gap,
    near_lesions,
    negative_log_likelihood,
    probabilities,
    reliability,
)
from training.measures.curves import BINS, EMPTY, Histogram


def honest(temperature: float = 1.0) -> Histogram:
    """A million pixels in each bin, of which the stated share is lesion; then the logits were stretched."""
    lesion = np.rint(1_000_000 * probabilities(temperature)).astype(np.int64)
    return Histogram(np.stack([1_000_000 - lesion, lesion]))


def drawn() -> Histogram:
    rng = np.random.default_rng(0)
    return Histogram(rng.integers(0, 5, (2, BINS)))


def spelled_out(
    histogram: Histogram,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Truth and probability of each pixel."""
    stated = np.concatenate([np.repeat(probabilities(), counts) for counts in histogram.counts])
    return np.arange(stated.size) >= histogram.negatives, stated


def test_an_honest_network_has_no_error() -> None:
    assert expected_calibration_error(honest()) == pytest.approx(0.0, abs=1e-6)
    assert fit_temperature(honest()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    found = fit_temperature(honest(temperature))
    assert found == pytest.approx(temperature, rel=1e-3)
    assert expected_calibration_error(honest(temperature), temperature=found) < 1e-3
    assert expected_calibration_error(honest(temperature)) > 0.01


def test_the_temperature_is_the_best_one() -> None:
    histogram = drawn() + Histogram(honest(2.0).counts // 100_000)
    best = negative_log_likelihood(histogram, temperature=fit_temperature(histogram))
    for temperature in np.geomspace(0.06, 19.0, 50):
        assert best <= negative_log_likelihood(histogram, temperature=float(temperature)) + 1e-9


def test_the_error_is_as_computed_by_hand() -> None:
    counts = np.zeros((2, BINS), np.int64)
    # Two bins: at 0.5 (first at or above) 3 of 4 are lesion, in the last 1 of 1.
    counts[:, BINS // 2], counts[1, -1] = (1, 3), 1
    half, last = probabilities()[[BINS // 2, -1]]
    expected = (4 * abs(half - 0.75) + abs(last - 1.0)) / 5
    assert expected_calibration_error(Histogram(counts)) == pytest.approx(expected)


def test_figures_agree_with_scikit_learn() -> None:
    histogram = drawn()
    truth, stated = spelled_out(histogram)
    assert brier_score(histogram) == pytest.approx(brier_score_loss(truth, stated))
    assert negative_log_likelihood(histogram) == pytest.approx(log_loss(truth, stated))
    share, mean = calibration_curve(truth, stated, n_bins=RELIABILITY_BINS)
    ours = reliability(histogram)
    some = ours.pixels > 0
    np.testing.assert_allclose(ours.share[some], share)
    np.testing.assert_allclose(ours.probability[some], mean)


def test_no_pixels_give_no_figures() -> None:
    assert math.isnan(expected_calibration_error(EMPTY))
    assert math.isnan(brier_score(EMPTY))
    assert math.isnan(negative_log_likelihood(EMPTY))
    assert math.isnan(fit_temperature(EMPTY))


def test_classes_told_apart_without_error_have_no_temperature() -> None:
    counts = np.zeros((2, BINS), np.int64)
    # The sharper, the likelier.
    counts[0, 500], counts[1, 700] = 9, 9
    assert math.isnan(fit_temperature(Histogram(counts)))


def test_classes_not_told_apart_have_no_temperature() -> None:
    counts = np.zeros((2, BINS), np.int64)
    # As many of either class on both sides of 0.5: the blunter, the likelier.
    counts[:, 300], counts[:, 899] = 9, 9
    assert math.isnan(fit_temperature(Histogram(counts)))


def test_one_class_has_no_temperature() -> None:
    counts = np.zeros((2, BINS), np.int64)
    counts[0, 5] = 7
    assert math.isnan(fit_temperature(Histogram(counts)))


def test_near_is_a_disc_around_either_mask() -> None:
    truth, called = np.zeros((30, 40), np.bool_), np.zeros((30, 40), np.bool_)
    truth[5, 5], called[20, 30] = True, True
    near = near_lesions(truth, called, distance_px=3)
    rows, columns = np.indices(truth.shape)
    expected = np.minimum((rows - 5) ** 2 + (columns - 5) ** 2, (rows - 20) ** 2 + (columns - 30) ** 2) <= 9
    np.testing.assert_array_equal(near, expected)


def test_nothing_is_near_nothing() -> None:
    empty = np.zeros((8, 8), np.bool_)
    assert not near_lesions(empty, empty).any()


def test_it_refuses_masks_of_other_shapes() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        near_lesions(np.zeros((3, 3), np.bool_), np.zeros((3, 4), np.bool_))


def pixels_at(*stated: tuple[float, int, int]) -> Histogram:
    """Pixels without and with lesion at the bin of a histogram whose probability is nearest to the stated one."""
    counts = np.zeros((2, BINS), np.int64)
    for probability, without, with_lesion in stated:
        counts[:, np.argmin(np.abs(probabilities() - probability))] += (without, with_lesion)
    return Histogram(counts)


def test_the_largest_gap_is_that_of_a_bin_with_enough_pixels() -> None:
    # 0.1 stated and found; 0.5 stated, 0.3 found; 0.9 stated and nothing found, but of 9 pixels of 1,009 alone.
    gap = largest_gap(pixels_at((0.1, 450, 50), (0.5, 350, 150), (0.9, 9, 0)))
    assert gap is not None
    assert (gap.share, gap.pixels) == (0.3, 500)
    assert gap.probability == pytest.approx(0.5, abs=0.01)
    assert gap.size == pytest.approx(0.2, abs=0.01)
    # Of 11 pixels it counts.
    gap = largest_gap(pixels_at((0.1, 450, 50), (0.5, 350, 150), (0.9, 11, 0)))
    assert gap is not None
    assert (gap.share, gap.pixels) == (0.0, 11)


def test_without_pixels_there_is_no_gap() -> None:
    assert largest_gap(EMPTY) is None
    assert Gap(0.25, 0.75, 1).size == 0.5
