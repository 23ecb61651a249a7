from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.findings import lesion_areas, lesion_mask, measure


def probabilities(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


# Two lesions: three pixels that touch, one of them by a corner, and one pixel apart. Eight pixels of lung around them.
LESION = probabilities(
    [0.9, 0.6, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.5, 0.0, 0.4],
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.7, 0.0, 0.0, 0.0],
)
LUNG = probabilities(
    [0.0, 0.9, 0.9, 0.0, 0.0],
    [0.9, 0.9, 0.9, 0.0, 0.0],
    [0.9, 0.9, 0.5, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 0.0],
)


def test_it_measures_a_hand_counted_slice() -> None:
    findings = measure(LESION, LUNG, threshold=0.5)
    assert findings.lesion_area_px == 4
    assert findings.lesion_count == 2
    assert findings.largest_lesion_px == 3
    assert findings.lesion_percent_of_image == 20.0
    # The lung is its eight pixels and the two lesion pixels that the lung channel misses.
    assert findings.lung_area_px == 10
    assert findings.lesion_percent_of_lung == 40.0
    assert findings.highest_probability == pytest.approx(0.9)
    assert (findings.height_px, findings.width_px) == (4, 5)
    assert findings.lesion_area_mm2 is None


def test_area_in_mm_comes_from_the_spacing() -> None:
    assert measure(LESION, LUNG, threshold=0.5, spacing_mm=(0.5, 2.0)).lesion_area_mm2 == 4.0


def test_without_a_lung_channel_lung_figures_are_absent_not_zero() -> None:
    findings = measure(LESION, None, threshold=0.5)
    assert findings.lung_area_px is None
    assert findings.lesion_percent_of_lung is None


def test_without_lung_in_the_slice_the_share_is_unknown() -> None:
    nothing = np.zeros((4, 5), np.float32)
    findings = measure(nothing, nothing, threshold=0.5)
    assert (findings.lung_area_px, findings.lesion_percent_of_lung) == (0, None)
    assert (findings.lesion_area_px, findings.lesion_count, findings.largest_lesion_px) == (0, 0, 0)


def test_a_pixel_at_the_threshold_is_lesion() -> None:
    np.testing.assert_array_equal(lesion_mask(probabilities([0.3, 0.29999, 0.31]), 0.3), [[True, False, True]])


def test_the_share_of_lung_never_exceeds_100_percent() -> None:
    everything, nothing = np.ones((3, 3), np.float32), np.zeros((3, 3), np.float32)
    assert measure(everything, nothing, threshold=0.5).lesion_percent_of_lung == 100.0


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.9), st.floats(0.0, 0.09))
def test_a_higher_threshold_gives_a_subset(seed: int, threshold: float, more: float) -> None:
    lesion = np.random.default_rng(seed).random((9, 7), dtype=np.float32)
    lower, higher = lesion_mask(lesion, threshold), lesion_mask(lesion, threshold + more)
    assert not np.any(higher & ~lower)


def test_every_pixel_of_the_mask_is_in_one_lesion() -> None:
    mask = np.random.default_rng(1).random((50, 40)) > 0.7
    assert sum(lesion_areas(mask)) == np.count_nonzero(mask)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_it_refuses_a_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0 and below 1"):
        measure(LESION, LUNG, threshold=threshold)


def test_it_refuses_arrays_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        measure(LESION, LUNG[:3], threshold=0.5)
    with pytest.raises(ValueError, match="not empty"):
        measure(LESION[:0], None, threshold=0.5)
