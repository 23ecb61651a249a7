from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data.augment import (
    Appearance,
    Crop,
    Parameters,
    Warp,
    apply,
    change_window,
    crop,
    degrade,
    draw,
    lung_box,
    warp,
)
from training.data.sample import UNKNOWN, Sample
from training.data.strokes import STROKE_KINDS, ByteImage, Stroke

SEEDS = range(300)


def box(shape: tuple[int, int], rows: slice, columns: slice) -> ByteImage:
    mask = np.zeros(shape, np.uint8)
    mask[rows, columns] = 255
    return mask


@pytest.fixture
def sample() -> Sample:
    """A slice that is its own lesion mask, (100, 120), mirrored and turned nowhere onto itself."""
    lesion = box((100, 120), slice(25, 50), slice(35, 50)) | box((100, 120), slice(25, 32), slice(35, 70))
    return Sample(lesion.copy(), lesion, box((100, 120), slice(20, 60), slice(30, 80)))


def noisy(shape: tuple[int, int] = (100, 120)) -> ByteImage:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def disagreeing_share(moved: Sample) -> float:
    """How many pixels of image and lesion mask differ, per pixel of lesion."""
    differing = np.count_nonzero((moved.image >= 128) != (moved.lesion == 255))
    return float(differing / np.count_nonzero(moved.lesion))


def test_parameters_that_say_nothing_change_nothing() -> None:
    sample = Sample(noisy(), box((100, 120), slice(3, 9), slice(4, 40)), None)
    result = apply(sample, Parameters())
    assert np.array_equal(result.image, sample.image)
    assert np.array_equal(result.lesion, sample.lesion)
    assert result.lung is None


@pytest.mark.parametrize("seed", range(20))
def test_the_same_parameters_give_the_same_pixels(seed: int, sample: Sample) -> None:
    parameters = draw(np.random.default_rng(seed))
    first, second = apply(sample, parameters), apply(sample, parameters)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.lesion, second.lesion)


@pytest.mark.parametrize(
    "choice",
    [
        Warp(degrees=25.0),
        Warp(degrees=-60.0),
        Warp(stretch=1.25),
        Warp(stretch=0.8),
        Warp(mirror_columns=True),
        Warp(mirror_rows=True),
        Warp(degrees=12.0, stretch=1.1, mirror_columns=True, mirror_rows=True),
    ],
)
def test_masks_follow_the_image_when_it_is_warped(choice: Warp, sample: Sample) -> None:
    moved = warp(sample, choice)
    assert not np.array_equal(moved.lesion, sample.lesion)
    # Image and mask are interpolated differently: they may differ along the edge.
    assert disagreeing_share(moved) < 0.1


def test_masks_follow_the_image_when_it_is_cropped(sample: Sample) -> None:
    moved = crop(sample, Crop(True, (-0.1, 0.1, 0.2, -0.3)))
    assert moved.image.shape != sample.image.shape
    assert disagreeing_share(moved) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sample_stays_a_sample(seed: int, sample: Sample) -> None:
    untouched = replace(sample, image=sample.image.copy(), lesion=sample.lesion.copy())
    result = apply(sample, draw(np.random.default_rng(seed)))
    assert min(result.image.shape) > 0
    assert result.lung is not None
    for mask in (result.lesion, result.lung):
        assert mask.shape == result.image.shape
        assert set(np.unique(mask)) <= {0, 255}
    assert result.image.dtype == result.lesion.dtype == result.lung.dtype == np.uint8
    assert np.array_equal(sample.image, untouched.image)
    assert np.array_equal(sample.lesion, untouched.lesion)


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (32, 32)])
def test_a_tiny_slice_does_not_vanish(shape: tuple[int, int]) -> None:
    full = np.full(shape, 255, np.uint8)
    for seed in range(50):
        result = apply(Sample(full, full, full), draw(np.random.default_rng(seed)))
        assert min(result.image.shape) > 0


def test_the_lung_box_is_found() -> None:
    assert lung_box(box((100, 120), slice(20, 60), slice(30, 80))) == (20, 60, 30, 80)


def test_no_lung_has_no_box() -> None:
    assert lung_box(np.zeros((4, 4), np.uint8)) is None


def test_a_crop_to_the_lungs_is_as_computed_by_hand() -> None:
    lung = box((100, 120), slice(20, 60), slice(30, 80))
    image = noisy()
    # Rows: 20 - 0.1 * 40 = 16, 60 + 0.2 * 40 = 68. Columns: 30 + 0.04 * 50 = 32, 80 + 50 is beyond the edge.
    result = crop(Sample(image, lung, lung), Crop(True, (0.1, 0.2, -0.04, 1.0)))
    assert np.array_equal(result.image, image[16:68, 32:120])
    assert np.array_equal(result.lesion, lung[16:68, 32:120])


@pytest.mark.parametrize("lung", [None, np.zeros((100, 120), np.uint8)], ids=["not drawn", "empty"])
def test_without_lungs_the_whole_slice_is_the_box(lung: ByteImage | None) -> None:
    image = noisy()
    result = crop(Sample(image, image, lung), Crop(True, (-0.1, -0.2, -0.1, 0.2)))
    assert np.array_equal(result.image, image[10:80, 12:120])


def test_a_sliver_of_lung_is_not_cropped_to() -> None:
    sliver = box((100, 120), slice(20, 51), slice(30, 80))
    result = crop(Sample(noisy(), sliver, sliver), Crop(True, (0.0, 0.0, 0.0, 0.0)))
    assert result.image.shape == (100, 120)


def test_mirrors_are_exact(sample: Sample) -> None:
    assert np.array_equal(warp(sample, Warp(mirror_columns=True)).image, sample.image[:, ::-1])
    assert np.array_equal(warp(sample, Warp(mirror_rows=True)).lesion, sample.lesion[::-1])


def test_a_stretch_shrinks_the_width_against_the_height() -> None:
    square = box((101, 101), slice(20, 81), slice(20, 81))
    stretched = warp(Sample(square, square, None), Warp(stretch=1.25))
    # 61 rows stay; 61 / 1.25 = 48.8 columns about the centre, 50.
    top, bottom, left, right = lung_box(stretched.lesion) or (0, 0, 0, 0)
    assert (top, bottom) == (20, 81)
    assert abs((right - left) - 48.8) < 1.0
    assert abs((left + right - 1) / 2 - 50) <= 0.5


def test_a_positive_angle_turns_to_the_left() -> None:
    right_half = box((101, 101), slice(48, 53), slice(60, 90))
    turned = warp(Sample(right_half, right_half, None), Warp(degrees=90.0))
    top, bottom, left, right = lung_box(turned.lesion) or (0, 0, 0, 0)
    assert (left, right) == (48, 53)
    assert (top, bottom) == (11, 41)


def test_a_window_is_as_computed_by_hand() -> None:
    gray = np.array([[0, 50, 75, 100, 150, 255]], np.uint8)
    narrow = change_window(gray, Appearance(black=50.0, white=150.0))
    assert narrow.tolist() == [[0, 0, 64, 128, 255, 255]]
    squared = change_window(gray, Appearance(black=50.0, white=150.0, gamma=2.0))
    # 0.25 ** 2 * 255 = 15.94, 0.5 ** 2 * 255 = 63.75.
    assert squared.tolist() == [[0, 0, 16, 64, 255, 255]]


@pytest.mark.parametrize(
    "choice",
    [Appearance(blur_px=1.0), Appearance(shrink=0.5), Appearance(noise=10.0), Appearance(jpeg_quality=30)],
)
def test_every_loss_of_quality_changes_the_picture_and_keeps_its_shape(choice: Appearance) -> None:
    image = noisy((33, 47))
    result = degrade(image, choice, noise_seed=1)
    assert result.shape == (33, 47)
    assert result.dtype == np.uint8
    assert not np.array_equal(result, image)


def test_noise_comes_from_its_seed() -> None:
    gray = np.full((20, 30), 128, np.uint8)
    first, same, other = (degrade(gray, Appearance(noise=10.0), seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert abs(float(first.std()) - 10.0) < 1.0


@pytest.mark.parametrize(
    "parameters",
    [
        Parameters(strokes=(Stroke("line", (0.0, 0.0), (1.0, 1.0), gray=255, thickness=3),)),
        Parameters(appearance=Appearance(white=200.0)),
        Parameters(appearance=Appearance(blur_px=1.0)),
        Parameters(warp=Warp(mirror_rows=True)),
        Parameters(crop=Crop(False, (-0.1, 0.0, 0.0, 0.0))),
    ],
)
def test_every_parameter_is_applied(parameters: Parameters) -> None:
    image = noisy()
    assert not np.array_equal(apply(Sample(image, image, None), parameters).image, image)


def test_strokes_and_gray_values_leave_the_masks_alone(sample: Sample) -> None:
    stroke = Stroke("line", (0.0, 0.0), (1.0, 1.0), gray=255, thickness=3)
    result = apply(sample, Parameters(appearance=Appearance(black=40.0, noise=9.0), strokes=(stroke,)))
    assert not np.array_equal(result.image, sample.image)
    assert np.array_equal(result.lesion, sample.lesion)
    assert result.lung is sample.lung


def test_drawing_is_reproducible() -> None:
    assert draw(np.random.default_rng(5)) == draw(np.random.default_rng(5))
    assert draw(np.random.default_rng(5)) != draw(np.random.default_rng(6))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_drawn_is_in_bounds(seed: int) -> None:
    parameters = draw(np.random.default_rng(seed))
    look = parameters.appearance
    assert look.black < look.white
    assert -40.0 <= look.black <= 50.0 and 167.0 <= look.white <= 300.0
    assert 0.5 < look.gamma < 2.0
    assert 0.0 <= look.blur_px <= 1.5 and 0.4 <= look.shrink <= 1.0 and 0.0 <= look.noise <= 14.0
    assert look.jpeg_quality == 0 or 25 <= look.jpeg_quality < 95
    assert abs(parameters.warp.degrees) < 45.0
    assert 0.8 < parameters.warp.stretch < 1.25
    assert len(parameters.strokes) <= 4
    margins = parameters.crop.margins if parameters.crop else (0.0,)
    assert -0.2 <= min(margins) and max(margins) <= 0.25


def test_every_kind_of_change_is_drawn_at_times() -> None:
    drawn = [draw(np.random.default_rng(seed)) for seed in SEEDS]
    assert {None, True, False} == {one.crop.to_lungs if one.crop else None for one in drawn}
    assert {stroke.kind for one in drawn for stroke in one.strokes} == set(STROKE_KINDS)
    for name in ("degrees", "stretch", "mirror_columns", "mirror_rows"):
        assert {getattr(one.warp, name) == getattr(Warp(), name) for one in drawn} == {True, False}
    for name in ("black", "blur_px", "shrink", "noise", "jpeg_quality"):
        assert {getattr(one.appearance, name) == getattr(Appearance(), name) for one in drawn} == {True, False}


def test_the_lung_box_is_about_what_is_lung_for_sure() -> None:
    lung = np.zeros((100, 100), np.uint8)
    lung[30:70, 20:80] = 255
    lung[2:5, 95:98] = UNKNOWN
    assert lung_box(lung) == (30, 70, 20, 80)
    assert lung_box(np.where(lung == 255, UNKNOWN, 0).astype(np.uint8)) is None
