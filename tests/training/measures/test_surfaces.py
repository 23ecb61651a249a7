from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.metrics import hausdorff_distance

from training.measures.surfaces import compare_surfaces

Mask = NDArray[np.bool_]


def box(top: int, left: int, height: int, width: int) -> Mask:
    mask = np.zeros((60, 70), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def line(length: int) -> Mask:
    mask = np.zeros((20, 120), np.bool_)
    mask[10, 10 : 10 + length] = True
    return mask


def outline(mask: Mask) -> Mask:
    return np.asarray(mask & ~binary_erosion(mask))


def test_a_mask_agrees_with_itself() -> None:
    found = compare_surfaces(box(5, 5, 10, 20), box(5, 5, 10, 20))
    assert (found.hd95_px, found.surface_dice) == (0.0, 1.0)


def test_the_distance_is_the_95th_percentile() -> None:
    # Of a line of 100 pixels the last 20 are not called: its outline there is 1, 2 ... 20 pixels away, elsewhere 0. A
    # twentieth of the outline, five columns, is further away than 15; a tenth than 10; a hundredth than 19.
    found = compare_surfaces(line(100), line(80))
    assert found.hd95_px == pytest.approx(15.0)


def test_a_shift_beyond_the_tolerance_is_as_long_as_it_is() -> None:
    # All of a thin upright bar is moved by 7: each outline is 6 or 7 pixels away from the other.
    found = compare_surfaces(box(5, 10, 40, 1), box(5, 17, 40, 1))
    assert found.hd95_px == pytest.approx(7.0)
    assert found.surface_dice == 0.0


@pytest.mark.parametrize(("shift", "expected"), [(1, 1.0), (3, 1.0), (5, None)])
def test_within_three_pixels_outlines_agree(shift: int, expected: float | None) -> None:
    found = compare_surfaces(box(10, 10, 20, 20), box(10, 10 + shift, 20, 20))
    if expected is None:
        # The two upright sides are 5 pixels off, the level ones lie on each other but for their ends.
        assert 0.45 < found.surface_dice < 0.7
    else:
        assert found.surface_dice == expected


def test_the_tolerance_is_heeded() -> None:
    pair = box(10, 10, 20, 20), box(10, 15, 20, 20)
    assert compare_surfaces(*pair, tolerance_px=5.0).surface_dice == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_the_distance_agrees_with_scipy_and_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    top, left, height, width = (int(value) for value in rng.integers(5, 25, 4))
    truth, called = box(10, 12, 22, 25), box(top, left, height, width)
    there = distance_transform_edt(~outline(called))[outline(truth)]
    back = distance_transform_edt(~outline(truth))[outline(called)]
    by_scipy = max(np.percentile(there, 95), np.percentile(back, 95))
    found = compare_surfaces(truth, called).hd95_px
    # Outlines of surface-distance run between the pixels, those of SciPy through them.
    assert found == pytest.approx(by_scipy, abs=1.5)
    assert found <= hausdorff_distance(outline(truth), outline(called)) + 1.5


def disc(row: float, column: float, radius: float) -> Mask:
    rows, columns = np.indices((60, 70))
    return np.asarray((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def share_within(truth: Mask, called: Mask, tolerance_px: float) -> float:
    """The surface Dice by another way: the share of outline pixels that lie within the tolerance of the other outline.

    Each pixel counts alike here, while surface-distance weighs pieces of outline by their length.
    """
    there = distance_transform_edt(~outline(called))[outline(truth)] <= tolerance_px
    back = distance_transform_edt(~outline(truth))[outline(called)] <= tolerance_px
    return float((there.sum() + back.sum()) / (there.size + back.size))


SHAPES = {
    "shifted boxes": (box(10, 10, 20, 30), box(14, 15, 20, 30)),
    "a box in a box": (box(10, 10, 30, 40), box(14, 12, 20, 30)),
    "shifted discs": (disc(30, 30, 14), disc(30, 37, 14)),
    "a disc and a box": (disc(30, 30, 14), box(18, 18, 25, 25)),
    "two discs for one": (disc(30, 20, 10) | disc(30, 48, 10), disc(31, 21, 11)),
    "far apart": (disc(12, 12, 6), disc(45, 55, 8)),
}


@pytest.mark.parametrize("tolerance_px", [1.0, 3.0])
@pytest.mark.parametrize("name", SHAPES)
def test_the_surface_dice_agrees_with_distance_transforms(name: str, tolerance_px: float) -> None:
    truth, called = SHAPES[name]
    found = compare_surfaces(truth, called, tolerance_px=tolerance_px).surface_dice
    # Outlines that run between the pixels are half a pixel off, so a little of an outline may fall to either side.
    assert found == pytest.approx(share_within(truth, called, tolerance_px), abs=0.05)


def test_the_order_does_not_matter() -> None:
    pair = box(5, 5, 10, 20), box(9, 12, 12, 20)
    assert compare_surfaces(*pair).hd95_px == compare_surfaces(*pair[::-1]).hd95_px
    assert compare_surfaces(*pair).surface_dice == pytest.approx(compare_surfaces(*pair[::-1]).surface_dice)


def test_masks_may_touch_the_border() -> None:
    found = compare_surfaces(box(0, 0, 60, 10), box(0, 0, 60, 12))
    assert found.hd95_px == 2.0


def test_two_empty_masks_have_no_figures() -> None:
    found = compare_surfaces(box(0, 0, 0, 0), box(0, 0, 0, 0))
    assert math.isnan(found.hd95_px)
    assert math.isnan(found.surface_dice)


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_mask_has_no_distance_and_no_agreement(swap: bool) -> None:
    pair = box(0, 0, 0, 0), box(5, 5, 5, 5)
    found = compare_surfaces(*(pair[::-1] if swap else pair))
    assert math.isnan(found.hd95_px)
    assert found.surface_dice == 0.0


def test_it_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\(H, W\) of one shape"):
        compare_surfaces(np.zeros((3, 3), np.bool_), np.zeros((3, 4), np.bool_))
    with pytest.raises(ValueError, match="must be bool, got uint8"):
        compare_surfaces(np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.bool_))
