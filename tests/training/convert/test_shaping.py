from __future__ import annotations

import numpy as np
import pytest

from training.convert.shaping import crop_to_lungs, equalise, shape
from training.data.sample import Sample


def drawn(*, rows: slice = slice(10, 30), columns: slice = slice(8, 48)) -> Sample:
    """A slice of 40×64, every pixel another value in its row; a lung, and a lesion in its upper left corner."""
    image = np.tile(np.arange(64, dtype=np.uint8), (40, 1))
    lung, lesion = np.zeros_like(image), np.zeros_like(image)
    lung[rows, columns] = 255
    lesion[rows.start, columns.start] = 255
    return Sample(image, lesion, lung)


@pytest.mark.parametrize(
    ("margin_percent", "top", "left", "height", "width"),
    [
        (0.0, 10, 8, 20, 40),
        # 10 % of 20 rows and 40 columns: 2 and 4 pixels on each side.
        (10.0, 8, 4, 24, 48),
        # 11 %: 2.2 and 4.4, rounded up to 3 and 5.
        (11.0, 7, 3, 26, 50),
        # 30 %: 6 and 12 pixels; on the left there are 8 only.
        (30.0, 4, 0, 32, 60),
        (500.0, 0, 0, 40, 64),
    ],
)
def test_slice_and_masks_are_cut_to_the_box(
    margin_percent: float, top: int, left: int, height: int, width: int
) -> None:
    cropped = crop_to_lungs(drawn(), margin_percent)
    assert cropped.lung is not None
    assert cropped.image.shape == cropped.lesion.shape == cropped.lung.shape == (height, width)
    assert cropped.image[0].tolist() == list(range(left, left + width))
    assert np.argwhere(cropped.lesion).tolist() == [[10 - top, 8 - left]]
    assert np.count_nonzero(cropped.lung) == 20 * 40


def test_a_box_may_be_one_pixel() -> None:
    assert crop_to_lungs(drawn(rows=slice(39, 40), columns=slice(63, 64)), 0.0).image.tolist() == [[63]]


@pytest.mark.parametrize("lung", [None, np.zeros((40, 64), np.uint8)], ids=["missing", "empty"])
def test_a_slice_without_lung_is_kept_whole(lung: np.typing.NDArray[np.uint8] | None) -> None:
    sample = Sample(drawn().image, drawn().lesion, lung)
    assert crop_to_lungs(sample, 0.0) is sample


@pytest.mark.parametrize("margin_percent", [-1.0, float("nan"), float("inf")])
def test_it_refuses_a_margin_that_is_none(margin_percent: float) -> None:
    with pytest.raises(ValueError, match=f"margin_percent must be at least 0, got {margin_percent}"):
        crop_to_lungs(drawn(), margin_percent)


def test_contrast_is_spread_but_the_order_of_grays_is_kept() -> None:
    # Two grays in every one of the 8×8 tiles: 8 pixels of 10 and 8 of 12.
    image = np.tile(np.array([10, 10, 12, 12], np.uint8), (32, 8))
    equalised = equalise(image)
    assert equalised.shape == image.shape and equalised.dtype == np.uint8
    low, high = equalised[image == 10], equalised[image == 12]
    assert low.max() < high.min()
    assert int(high.min()) - int(low.max()) > 2


def test_a_constant_slice_stays_constant() -> None:
    assert np.unique(equalise(np.full((32, 32), 90, np.uint8))).size == 1


def test_nothing_is_done_unless_asked_for() -> None:
    sample = drawn()
    assert shape(sample) is sample


def test_the_cut_slice_is_equalised_not_the_whole_one() -> None:
    shaped = shape(drawn(), clahe=True, crop_lungs_percent=0.0)
    assert np.array_equal(shaped.image, equalise(drawn().image[10:30, 8:48]))
    assert np.array_equal(shaped.lesion, drawn().lesion[10:30, 8:48])
