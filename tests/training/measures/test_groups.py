from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.stub import result
from training.measures.appearance import measure_appearance, noise_level
from training.measures.groups import (
    GROUPINGS,
    NO_LEVEL,
    NOT_MEASURABLE,
    by_level,
    by_patient,
    by_quarter,
    by_size,
    by_source,
    size_of,
)


@pytest.mark.parametrize(
    ("pixels", "name"),
    [
        (0, "none"),
        (1, "below 0.1 %"),
        (9, "below 0.1 %"),
        (10, "0.1 to 1 %"),
        (100, "1 to 5 %"),
        (500, "5 % and more"),
        (10_000, "5 % and more"),
    ],
)
def test_a_size_has_one_name(pixels: int, name: str) -> None:
    assert size_of(pixels, 10_000) == name


def test_slices_are_told_apart_by_name() -> None:
    results = [result(0, patient="b1"), result(1, patient="a1"), result(2, patient="b2"), result(3, patient="b1")]
    assert {name: len(group) for name, group in by_patient(results).items()} == {"a1": 1, "b1": 2, "b2": 1}
    assert {name: len(group) for name, group in by_source(results).items()} == {"a": 1, "b": 3}


def test_sizes_come_from_the_smallest_to_the_largest() -> None:
    assert list(by_size([result(0), result(1, healthy=True)])) == ["none", "5 % and more"]


def test_patients_of_one_name_in_two_sources_are_two() -> None:
    results = [result(0, patient="p1"), result(1, patient="p2")]
    other = replace(result(2, patient="p1"), row=replace(result(2, patient="p1").row, source="q"))
    assert list(by_patient([*results, other])) == ["p2", "p: p1", "q: p1"]


def test_two_scans_of_one_patient_have_levels_of_their_own() -> None:
    first = [result(number, patient="a") for number in (0, 1, 2)]
    second = [replace(one, row=replace(one.row, volume="late", slice_index=one.row.slice_index + 50)) for one in first]
    levels = by_level([*first, *second])
    assert [found.row.slice_index for found in levels["first third"]] == [0, 50]
    assert [found.row.slice_index for found in levels["last third"]] == [2, 52]


def test_a_level_is_a_third_of_its_scan() -> None:
    results = [result(number, patient="a") for number in range(10, 19)] + [result(500, patient="b")]
    levels = {name: [found.row.slice_index for found in group] for name, group in by_level(results).items()}
    assert levels == {
        "first third": [10, 11, 12],
        "middle third": [13, 14, 15],
        "last third": [16, 17, 18],
        NO_LEVEL: [500],
    }


def test_quarters_are_of_one_size() -> None:
    results = [result(number) for number in range(8)]
    quarters = by_quarter(results, lambda found: found.appearance.noise)
    assert [len(group) for group in quarters.values()] == [2, 2, 2, 2]
    assert list(quarters)[0] == "1. 0.0 to 1.8"


def test_equal_values_make_one_quarter() -> None:
    assert len(by_quarter([result(number) for number in range(5)], lambda found: 7.0)) == 1


@pytest.mark.parametrize("name", sorted(GROUPINGS))
def test_each_slice_is_in_one_group(name: str) -> None:
    results = [result(number, patient=f"p{number % 3}", healthy=number % 4 == 0) for number in range(12)]
    groups = GROUPINGS[name].split(results)
    assert sum(len(group) for group in groups.values()) == len(results)


def test_what_is_not_recorded_is_said() -> None:
    assert {"age", "sex"} <= set(NOT_MEASURABLE)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 12.0])
def test_noise_is_found_again(sigma: float) -> None:
    rng = np.random.default_rng(0)
    image = np.clip(np.rint(128 + sigma * rng.standard_normal((200, 200))), 1, 254).astype(np.uint8)
    assert noise_level(image) == pytest.approx(sigma, rel=0.05)


def test_a_flat_picture_has_no_noise() -> None:
    assert measure_appearance(np.full((20, 30), 77, np.uint8)).noise == 0.0
    assert measure_appearance(np.full((20, 30), 77, np.uint8)).brightness == 77.0


def test_what_the_window_cuts_off_is_left_out() -> None:
    assert noise_level(np.zeros((9, 9), np.uint8)) == 0.0


def test_it_refuses_a_picture_too_small() -> None:
    with pytest.raises(ValueError, match=r"at least 3x3, got shape \(2, 9\)"):
        noise_level(np.zeros((2, 9), np.uint8))
