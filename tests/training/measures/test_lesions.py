from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import label

from training.measures.lesions import NO_LESIONS, LesionCounts, count_lesions


def mask(*rows: str) -> NDArray[np.bool_]:
    return np.array([[letter == "#" for letter in row] for row in rows], np.bool_)


def test_lesions_are_counted_one_by_one() -> None:
    truth = mask("##....", "......", "....##", ".#....")
    called = mask(".#..##", "......", ".....#", "......")
    # Of three true lesions two are touched; of three called ones, that at the top right is false.
    assert count_lesions(truth, called) == LesionCounts(true=3, found=2, false=1)


def test_pixels_that_touch_by_a_corner_are_one_lesion() -> None:
    assert count_lesions(mask("#..", ".#.", "..#"), mask("...", "...", "..#")) == LesionCounts(1, 1, 0)


def test_one_called_region_may_find_several_lesions() -> None:
    assert count_lesions(mask("#.#.#"), mask("#####")) == LesionCounts(3, 3, 0)


def test_nothing_called_finds_nothing() -> None:
    assert count_lesions(mask("#.#"), mask("...")) == LesionCounts(2, 0, 0)


def test_without_lesions_sensitivity_is_undefined() -> None:
    found = count_lesions(mask("..."), mask("#.."))
    assert found == LesionCounts(0, 0, 1)
    assert math.isnan(found.sensitivity)
    assert LesionCounts(4, 3, 9).sensitivity == 0.75


def test_counts_add_up() -> None:
    assert sum([LesionCounts(1, 0, 2), LesionCounts(3, 3, 0)], NO_LESIONS) == LesionCounts(4, 3, 2)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_counts_agree_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, called = rng.random((2, 12, 15)) < 0.2
    true_labels, true_count = label(truth, np.ones((3, 3)))
    called_labels, called_count = label(called, np.ones((3, 3)))
    found = sum(bool(called[true_labels == number].any()) for number in range(1, true_count + 1))
    false = sum(not truth[called_labels == number].any() for number in range(1, called_count + 1))
    assert count_lesions(truth, called) == LesionCounts(true_count, found, false)


def test_it_refuses_masks_of_other_shapes() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        count_lesions(mask("#"), mask("##"))
