from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from tests.training.stub import result
from training.measures.metrics import Overlap
from training.measures.results import SliceResult, summarise
from training.measures.surfaces import Surface


def of_areas(pairs: Sequence[tuple[int, int]]) -> list[SliceResult]:
    """Slices of these drawn and called areas, called within what was drawn or around it."""
    return [
        replace(
            result(),
            lesion=Overlap(
                min(drawn, called), max(0, called - drawn), max(0, drawn - called), 4096 - max(drawn, called)
            ),
        )
        for drawn, called in pairs
    ]


def test_areas_are_compared_as_computed_by_hand() -> None:
    summary = summarise(of_areas([(1, 2), (2, 4), (3, 3)]))
    # Deviations from the means 2 and 3: -1, 0, 1 and -1, 1, 0; their products add up to 1, their squares to 2 and 2.
    assert summary.area_pearson == pytest.approx(1 / math.sqrt(2 * 2))
    # The ranks are 1, 2, 3 and 1, 3, 2: 1 - 6 (0 + 1 + 1) / (3 (9 - 1)).
    assert summary.area_spearman == pytest.approx(1 - 6 * 2 / 24)
    assert summary.area_bias_px == pytest.approx((1 + 2 + 0) / 3)


def test_one_large_slice_moves_values_but_not_ranks() -> None:
    summary = summarise(of_areas([(10, 12), (20, 25), (30, 28), (1000, 40)]))
    assert summary.area_spearman == pytest.approx(1.0)
    assert summary.area_pearson < 0.9


def test_slices_without_any_area_do_not_count() -> None:
    pairs = [(1, 2), (2, 4), (3, 3)]
    some, more = summarise(of_areas(pairs)), summarise(of_areas([*pairs, (0, 0), (0, 0)]))
    assert (more.area_pearson, more.area_spearman) == (some.area_pearson, some.area_spearman)
    assert more.area_bias_px == pytest.approx(3 / 5)


def test_areas_agree_with_scipy() -> None:
    pairs = np.random.default_rng(0).integers(1, 2000, (40, 2))
    summary = summarise(of_areas([(int(drawn), int(called)) for drawn, called in pairs]))
    assert summary.area_pearson == pytest.approx(float(pearsonr(pairs[:, 0], pairs[:, 1]).statistic))
    assert summary.area_spearman == pytest.approx(float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic))


@pytest.mark.parametrize("pairs", [[], [(1, 2), (2, 3)], [(5, 1), (5, 2), (5, 3)], [(1, 5), (2, 5), (3, 5)]])
def test_too_few_areas_or_equal_ones_are_not_compared(pairs: list[tuple[int, int]]) -> None:
    summary = summarise(of_areas(pairs))
    assert math.isnan(summary.area_pearson)
    assert math.isnan(summary.area_spearman)


def of_distances(distances: Sequence[float]) -> list[SliceResult]:
    return [replace(result(), surface=Surface(distance, 0.5)) for distance in distances]


@pytest.mark.parametrize(
    ("distances", "median"),
    [([7.0], 7.0), ([9.0, 1.0, 4.0], 4.0), ([100.0, 1.0, 2.0, 3.0], 2.5), ([math.nan, 6.0], 6.0)],
)
def test_the_median_distance_is_as_computed_by_hand(distances: list[float], median: float) -> None:
    summary = summarise(of_distances(distances))
    assert summary.hd95_median_px == median
    assert summary.hd95_median_px == np.nanmedian(distances)
    assert summary.hd95_px == pytest.approx(np.nanmean(distances))


def test_without_a_distance_there_is_no_median() -> None:
    assert math.isnan(summarise(of_distances([math.nan])).hd95_median_px)
    assert math.isnan(summarise([]).hd95_median_px)
