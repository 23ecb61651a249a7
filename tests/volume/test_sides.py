from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.findings import Mask
from model.volume.sides import find_midline, right_lung

WIDTH = 128


def ellipses(*parts: tuple[int, int, int, int]) -> Mask:
    """(96, 128) with ellipses: centre x, y, half width, half height."""
    canvas = np.zeros((96, WIDTH), np.uint8)
    for x, y, half_width, half_height in parts:
        cv2.ellipse(canvas, (x, y), (half_width, half_height), 0, 0, 360, 1, cv2.FILLED)
    return canvas > 0


def columns(mask: Mask) -> NDArray[np.int64]:
    return np.asarray(np.count_nonzero(mask, axis=0), np.int64)


def test_the_midline_lies_between_two_ellipses() -> None:
    # They reach from 15 to 55 and from 75 to 115.
    midline = find_midline(columns(ellipses((35, 48, 20, 35), (95, 48, 20, 35))))
    assert midline is not None
    assert 55 <= midline <= 75


def test_each_ellipse_is_a_lung() -> None:
    right, left = ellipses((35, 48, 20, 35)), ellipses((95, 48, 20, 35))
    assert np.array_equal(right_lung(right | left, 65), right)


def test_two_rectangles_by_hand() -> None:
    counts = np.zeros(WIDTH, np.int64)
    counts[20:50], counts[80:110] = 40, 40
    midline = find_midline(counts)
    assert midline is not None
    assert 50 <= midline < 80


def test_lungs_that_touch_are_cut_where_they_are_thinnest() -> None:
    # A bridge of 4 rows joins them from column 55 to 75.
    both = ellipses((35, 48, 20, 35), (95, 48, 20, 35))
    both[46:50, 50:80] = True
    midline = find_midline(columns(both))
    assert midline is not None
    right = right_lung(both, midline)
    assert 55 <= np.flatnonzero(right.any(axis=0)).max() <= 75
    assert np.array_equal(right[:, :54], both[:, :54])


def test_the_cut_goes_to_the_thinnest_column_near_the_midline() -> None:
    # 128 columns are searched 8 to either side of the midline; column 67 alone is one pixel high.
    joined = np.zeros((96, WIDTH), np.bool_)
    joined[30:60, 20:110] = True
    joined[31:60, 67] = False
    right = right_lung(joined, 62)
    assert right[40, 20:67].all()
    assert not right[:, 67:].any()


def test_a_lung_that_reaches_over_the_midline_stays_whole() -> None:
    # 90 columns on its own side and 10 beyond, each of the same height: 90 % is more than WHOLE_FROM.
    lung = np.zeros((96, WIDTH), np.bool_)
    lung[10:30, 0:100] = True
    assert np.array_equal(right_lung(lung, 90), lung)
    assert not right_lung(lung, 10).any()


@pytest.mark.parametrize("x", [35, 64, 95], ids=["right", "middle", "left"])
def test_one_lung_alone_has_no_midline(x: int) -> None:
    assert find_midline(columns(ellipses((x, 48, 20, 35)))) is None


def test_no_lung_has_no_midline() -> None:
    assert find_midline(np.zeros(WIDTH, np.int64)) is None


@pytest.mark.parametrize("half_height", [35, 22])
def test_a_shrunken_lung_is_told_from_the_other(half_height: int) -> None:
    # Half as wide; with 22 it holds a quarter of the volume.
    both = ellipses((30, 48, 24, 35), (95, 48, 12, half_height))
    midline = find_midline(columns(both))
    assert midline is not None
    assert 54 <= midline <= 83


def test_two_lungs_without_a_dip_have_no_midline() -> None:
    # A block of even height from one side to the other: nothing tells where one ends.
    counts = np.zeros(WIDTH, np.int64)
    counts[20:110] = 40
    assert find_midline(counts) is None


def test_a_mirrored_chest_gives_the_other_side() -> None:
    right, left = ellipses((35, 48, 20, 35)), ellipses((95, 44, 15, 30))
    mirrored = (right | left)[:, ::-1]
    midline = find_midline(columns(mirrored))
    assert midline is not None
    assert np.array_equal(right_lung(mirrored, midline), left[:, ::-1])
