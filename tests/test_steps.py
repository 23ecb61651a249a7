from __future__ import annotations

import numpy as np
import pytest

from model.findings import lesion_mask
from model.steps import STEPS, THRESHOLDS, first_step, to_probability, to_steps


def neighbours(threshold: float) -> np.ndarray:
    """The float32 numbers just below, at and just above a threshold."""
    at = np.float32(threshold)
    return np.array([np.nextafter(at, np.float32(0)), at, np.nextafter(at, np.float32(1))], np.float32)


@pytest.mark.parametrize("threshold", [*THRESHOLDS, 0.333, 0.999, 0.00001])
def test_no_probability_changes_sides(threshold: float) -> None:
    probability = neighbours(threshold)
    kept = to_probability(to_steps(probability, threshold))
    assert lesion_mask(probability, threshold).tolist() == [False, True, True]
    assert lesion_mask(kept, threshold).tolist() == [False, True, True]


def test_none_changes_sides_at_any_threshold() -> None:
    probability = np.random.default_rng(3).random((300, 400), np.float32)
    kept = to_probability(to_steps(probability))
    for threshold in THRESHOLDS:
        np.testing.assert_array_equal(lesion_mask(kept, threshold), lesion_mask(probability, threshold))


def test_they_come_back_to_one_step() -> None:
    probability = np.random.default_rng(4).random((300, 400), np.float32)
    np.testing.assert_allclose(to_probability(to_steps(probability)), probability, atol=1.01 / STEPS)


def test_steps_come_back_as_they_were() -> None:
    steps = np.arange(STEPS + 1, dtype=np.uint16)
    np.testing.assert_array_equal(to_steps(to_probability(steps)), steps)


def test_the_ends_stay_the_ends() -> None:
    assert to_steps(np.array([0.0, 1.0], np.float32)).tolist() == [0, STEPS]


def test_the_first_step_is_lesion_and_the_one_before_is_not() -> None:
    for threshold in THRESHOLDS:
        first = first_step(threshold)
        kept = to_probability(np.array([first - 1, first], np.uint16))
        assert lesion_mask(kept, threshold).tolist() == [False, True]
