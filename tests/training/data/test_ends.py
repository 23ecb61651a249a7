from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.data.ends import complete, follow_lungs
from training.data.sample import UNKNOWN

ByteImage = NDArray[np.uint8]


def slice_with(*dark: tuple[slice, slice]) -> ByteImage:
    """(100, 100) of tissue with dark rectangles."""
    image = np.full((100, 100), 200, np.uint8)
    for box in dark:
        image[box] = 60
    return image


LUNG, BOWEL = (slice(20, 60), slice(10, 40)), (slice(70, 90), slice(60, 90))


def mask_of(*boxes: tuple[slice, slice]) -> ByteImage:
    mask = np.zeros((100, 100), np.uint8)
    for box in boxes:
        mask[box] = 255
    return mask


def test_what_lies_in_the_neighbours_lungs_is_lung_and_bowel_is_not() -> None:
    found = follow_lungs(slice_with(LUNG, BOWEL), mask_of(LUNG))
    assert (found[LUNG] == 255).all()
    assert (found[BOWEL] == 0).all()
    assert found[50, 70] == 0


def test_what_lies_half_in_them_is_left_open() -> None:
    half = (slice(20, 60), slice(25, 55))
    found = follow_lungs(slice_with(half), mask_of(LUNG))
    assert (found[half] == UNKNOWN).all()


def test_what_lies_where_nobody_knows_is_left_open() -> None:
    unknown = np.where(mask_of(BOWEL) > 0, np.uint8(UNKNOWN), np.uint8(0))
    assert (follow_lungs(slice_with(BOWEL), unknown)[BOWEL] == UNKNOWN).all()


def test_the_edge_of_a_lung_is_left_open() -> None:
    found = follow_lungs(slice_with(LUNG), mask_of(LUNG))
    assert found[19, 20] == found[60, 20] == UNKNOWN
    assert found[18, 20] == found[61, 20] == 0


def test_specks_are_left_open() -> None:
    speck = (slice(30, 34), slice(70, 74))
    assert (follow_lungs(slice_with(LUNG, speck), mask_of(LUNG))[speck] == UNKNOWN).all()


def test_vessels_in_the_lung_are_closed() -> None:
    image = slice_with(LUNG)
    image[30:32, 12:38] = 190
    assert (follow_lungs(image, mask_of(LUNG))[LUNG] == 255).all()


def test_lungs_are_followed_outwards_slice_by_slice() -> None:
    # The lung shrinks by two columns a slice, so the outermost lies within the drawn one only by way of the others.
    lungs = [(slice(20, 60), slice(10, 40 - 2 * number)) for number in range(5)]
    images = [slice_with(lung, BOWEL) for lung in lungs]
    drawn = [mask_of(lungs[0]), None, None, None, None]
    found = complete(images, drawn)
    for lung, mask in zip(lungs, found, strict=True):
        assert mask is not None
        np.testing.assert_array_equal(mask == 255, mask_of(lung) == 255)


def test_it_goes_up_and_down_and_over_gaps_and_leaves_drawn_masks_alone() -> None:
    images = [slice_with(LUNG)] * 5
    strange = mask_of(BOWEL)
    found = complete(images, [None, mask_of(LUNG), None, strange, None])
    assert found[3] is strange
    assert [mask is None for mask in found] == [False] * 5
    np.testing.assert_array_equal(np.asarray(found[0]) == 255, mask_of(LUNG) == 255)
    # From the drawn slice next to it, however strange.
    assert found[4] is not None
    assert not found[4].any()


def test_nothing_is_made_of_nothing() -> None:
    assert complete([slice_with(LUNG)] * 2, [None, None]) == [None, None]
