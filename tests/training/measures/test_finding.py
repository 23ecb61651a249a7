from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from training.measures.finding import (
    CANDIDATES,
    FINDING_SCORE,
    MEANINGS,
    auc,
    called_area,
    operating_point,
    roc_of_scores,
    smoothed_peak,
    top_mean,
)

PRESENT = np.array([True, True, False, True, False, False])
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.6, 0.1])


def test_the_area_is_as_computed_by_hand() -> None:
    # Of nine pairs: 3 + 3 in order for the first two, 1 and a tie for the third.
    assert auc(SCORES, PRESENT) == pytest.approx((3 + 3 + 1 + 0.5) / 9)


@pytest.mark.parametrize("seed", range(3))
def test_area_and_curve_agree_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    present = rng.random(80) < 0.4
    scores = rng.normal(present, 1.0).round(1)
    assert auc(scores, present) == pytest.approx(roc_auc_score(present, scores))
    false_rate, sensitivity, thresholds = roc_curve(present, scores, drop_intermediate=False)
    ours = roc_of_scores(scores, present)
    np.testing.assert_allclose(ours.x, false_rate)
    np.testing.assert_allclose(ours.y, sensitivity)
    np.testing.assert_allclose(ours.thresholds, thresholds)


def test_the_operating_point_has_the_largest_sum() -> None:
    point = operating_point(roc_of_scores(SCORES, PRESENT))
    assert [point.score, point.sensitivity, point.specificity] == pytest.approx([0.8, 2 / 3, 1.0])


def test_one_kind_of_slices_has_no_curve() -> None:
    assert math.isnan(auc(SCORES, np.ones(6, np.bool_)))
    with pytest.raises(ValueError, match="got 6 with of 6"):
        roc_of_scores(SCORES, np.ones(6, np.bool_))


def test_scores_are_as_computed_by_hand() -> None:
    probability = np.zeros((64, 128), np.float32)
    probability[10:12, 20:22] = 1.0
    assert called_area(probability) == 4 / (64 * 128)
    # 128 / 64: a square of side 2.
    assert smoothed_peak(probability) == pytest.approx(1.0)
    # 8 pixels are 0.1 %.
    assert top_mean(probability) == pytest.approx(4 / 8)


def test_one_bright_pixel_decides_neither_smoothed_score() -> None:
    probability = np.zeros((512, 512), np.float32)
    probability[7, 7] = 1.0
    assert smoothed_peak(probability) < 0.05
    assert top_mean(probability) < 0.05


@pytest.mark.parametrize("name", sorted(CANDIDATES))
def test_scores_stay_in_range_on_small_pictures(name: str) -> None:
    assert CANDIDATES[name](np.ones((3, 5), np.float32)) == pytest.approx(1.0)
    assert CANDIDATES[name](np.zeros((3, 5), np.float32)) == 0.0


def test_each_score_has_its_words() -> None:
    assert set(MEANINGS) == set(CANDIDATES)
    assert FINDING_SCORE in CANDIDATES
