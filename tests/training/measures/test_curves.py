from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from training.measures.curves import (
    BINS,
    EMPTY,
    LOWER_EDGES,
    Curve,
    average_precision,
    called_counts,
    count_probabilities,
    dice_by_threshold,
    precision_recall,
    roc,
    roc_auc,
    thin,
)

FloatArray = NDArray[np.float32]
Mask = NDArray[np.bool_]


def drawn(seed: int = 0, pixels: int = 5000) -> tuple[FloatArray, Mask]:
    """Probabilities that are higher where there is lesion; many of them equal."""
    rng = np.random.default_rng(seed)
    truth = rng.random(pixels) < 0.2
    logits = rng.normal(np.where(truth, 1.0, -2.0), 2.0).round(1)
    return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32), truth


def binned(probability: FloatArray) -> NDArray[np.int64]:
    """The bin of each pixel, so that the second library sees the same ties."""
    return np.searchsorted(LOWER_EDGES, probability.astype(np.float64), side="right")


def test_pixels_are_counted_by_truth_and_bin() -> None:
    found = count_probabilities(np.array([0.0, 0.5, 0.5, 1.0], np.float32), np.array([False, False, True, True]))
    assert (found.negatives, found.positives) == (2, 2)
    assert found.counts[0, 0] == 1
    assert found.counts[:, BINS // 2].tolist() == [1, 1]
    assert found.counts[1, -1] == 1


def test_the_threshold_of_one_half_is_exact() -> None:
    assert LOWER_EDGES[BINS // 2] == 0.5
    just_below = np.nextafter(np.float32(0.5), np.float32(0.0))
    found = count_probabilities(np.array([just_below, 0.5], np.float32), np.array([True, True]))
    assert called_counts(found)[0][BINS // 2] == 1


def test_histograms_add_up() -> None:
    probability, truth = drawn()
    halves = count_probabilities(probability[:99], truth[:99]) + count_probabilities(probability[99:], truth[99:])
    np.testing.assert_array_equal(halves.counts, count_probabilities(probability, truth).counts)


def test_areas_are_as_computed_by_hand() -> None:
    # Two pixels of lesion above all others but one: of 2 x 3 pairs, 5 are in order.
    probability = np.array([0.9, 0.6, 0.7, 0.2, 0.1], np.float32)
    truth = np.array([True, True, False, False, False])
    found = count_probabilities(probability, truth)
    assert roc_auc(found) == pytest.approx(5 / 6)
    # Recall 1/2 at precision 1, recall 1 at precision 2/3.
    assert average_precision(found) == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_areas_agree_with_scikit_learn(seed: int) -> None:
    probability, truth = drawn(seed)
    found = count_probabilities(probability, truth)
    assert roc_auc(found) == pytest.approx(sklearn.roc_auc_score(truth, binned(probability)))
    assert average_precision(found) == pytest.approx(sklearn.average_precision_score(truth, binned(probability)))
    # Binning costs next to nothing.
    assert roc_auc(found) == pytest.approx(sklearn.roc_auc_score(truth, probability), abs=1e-3)


def test_curves_agree_with_scikit_learn() -> None:
    probability, truth = drawn()
    found = count_probabilities(probability, truth)
    false_rate, true_rate, _ = sklearn.roc_curve(truth, binned(probability))
    curve = roc(found)
    np.testing.assert_allclose(np.interp(false_rate, curve.x, curve.y), np.interp(false_rate, false_rate, true_rate))
    precision, recall, _ = sklearn.precision_recall_curve(truth, binned(probability))
    ours = {
        (round(x, 9), round(y, 9)) for x, y in zip(precision_recall(found).x, precision_recall(found).y, strict=True)
    }
    assert {(round(x, 9), round(y, 9)) for x, y in zip(recall[:-1], precision[:-1], strict=True)} <= ours


def test_dice_at_each_threshold_agrees_with_scikit_learn() -> None:
    probability, truth = drawn()
    curve = dice_by_threshold(count_probabilities(probability, truth))
    for position in (100, 500, 700):
        expected = sklearn.f1_score(truth, probability >= curve.thresholds[position])
        assert curve.y[position] == pytest.approx(expected)


def test_one_class_has_no_area() -> None:
    healthy = count_probabilities(np.array([0.1, 0.6], np.float32), np.array([False, False]))
    assert math.isnan(roc_auc(healthy))
    assert math.isnan(average_precision(healthy))
    assert math.isnan(roc_auc(EMPTY))


def test_nothing_at_all_has_no_dice() -> None:
    assert np.isnan(dice_by_threshold(EMPTY).y).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_area_does_not_care_for_order_and_stays_in_range(seed: int) -> None:
    probability, truth = drawn(seed, 200)
    area = roc_auc(count_probabilities(probability, truth))
    assert 0.0 <= area <= 1.0
    assert area == roc_auc(count_probabilities(probability[::-1].copy(), truth[::-1].copy()))


def test_a_thinned_curve_keeps_its_ends_and_its_area() -> None:
    curve = roc(count_probabilities(*drawn()))
    thinned = thin(curve, 200)
    assert len(thinned.x) <= 201
    assert (thinned.x[0], thinned.x[-1]) == (0.0, 1.0)
    assert np.trapezoid(thinned.y, thinned.x) == pytest.approx(np.trapezoid(curve.y, curve.x), abs=2e-3)


def test_a_short_curve_stays_whole() -> None:
    points = np.array([0.0, 0.5, 1.0])
    assert thin(Curve(points, points, points)).x.tolist() == [0.0, 0.5, 1.0]


def test_it_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"probability \(2,\) and truth \(3,\) differ"):
        count_probabilities(np.zeros(2, np.float32), np.zeros(3, np.bool_))
    with pytest.raises(ValueError, match="truth must be bool, got uint8"):
        count_probabilities(np.zeros(2, np.float32), np.zeros(2, np.uint8))
