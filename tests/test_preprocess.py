from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.preprocess import INPUT_SIZE, Placement, placement, preprocess, preprocess_mask, restore, square_shape

# Two pixels enlarged to four: the centres lie at -0.25, 0.25, 0.75 and 1.25 of the old ones, clamped at the ends.
WEIGHTS = np.array([[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]], np.float32)


def test_it_enlarges_to_golden_values() -> None:
    pixels = np.array([[0, 255], [51, 204]], np.uint8)
    expected = WEIGHTS @ np.array([[0.0, 1.0], [0.2, 0.8]], np.float32) @ WEIGHTS.T
    np.testing.assert_allclose(preprocess(pixels, size=4)[..., 0], expected, atol=1e-6)


def test_it_shrinks_to_golden_values_by_area() -> None:
    pixels = np.array([[0, 0, 255, 255], [0, 51, 255, 204]], np.uint8)
    expected = np.array([[0.0, 0.0], [0.05, 0.95]], np.float32)
    # Two by four becomes one by two; the row left over lies below.
    np.testing.assert_allclose(preprocess(pixels, size=2)[..., 0], expected[::-1], atol=1e-6)


def test_the_full_size_input_is_the_mean_of_two_by_two_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (896, 896), dtype=np.uint8)
    expected = pixels.reshape(448, 2, 448, 2).mean(axis=(1, 3)) / 255.0
    network_input = preprocess(pixels)
    assert network_input.shape == (INPUT_SIZE, INPUT_SIZE, 1)
    assert network_input.dtype == np.float32
    np.testing.assert_allclose(network_input[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "value_range"),
    [
        (np.array([[0, 128], [255, 64]], np.uint8), (0.0, 255.0)),
        (np.array([[0, 128], [255, 64]], np.uint16) * 257, (0.0, 65535.0)),
        (np.array([[0, 128], [255, 64]], np.float32) / 255 * 1500 - 1250, (-1250.0, 250.0)),
    ],
)
def test_bit_depth_and_hu_give_the_same_input(pixels: np.ndarray, value_range: tuple[float, float]) -> None:
    expected = np.array([[0, 128], [255, 64]], np.float32) / 255
    np.testing.assert_allclose(preprocess(pixels, value_range=value_range, size=2)[..., 0], expected, atol=1e-5)


def test_values_outside_the_range_are_clipped() -> None:
    pixels = np.array([[-3000.0, 3000.0], [-500.0, 250.0]], np.float32)
    result = preprocess(pixels, value_range=(-1250.0, 250.0), size=2)[..., 0]
    np.testing.assert_allclose(result, [[0.0, 1.0], [0.5, 1.0]])


def test_a_constant_slice_gives_a_constant_input() -> None:
    assert np.all(preprocess(np.full((50, 50), 51, np.uint8), size=64) == np.float32(0.2))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((100, 200), Placement(12, 0, 25, 50)),
        ((200, 100), Placement(0, 12, 50, 25)),
        ((50, 50), Placement(0, 0, 50, 50)),
        ((1, 4000), Placement(24, 0, 1, 50)),
    ],
)
def test_it_centres_the_slice_and_keeps_its_proportions(shape: tuple[int, int], expected: Placement) -> None:
    assert placement(shape, size=50) == expected


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((40, 48), None, (40, 48)),
        ((40, 48), (0.7, 0.7), (40, 48)),
        ((40, 48), (0.7, 0.705), (40, 48)),
        ((40, 48), (1.4, 0.7), (80, 48)),
        ((40, 48), (2.0, 3.0), (40, 72)),
        ((40, 48), (20.0, 0.01), (192, 1)),
    ],
)
def test_pixels_become_square(
    shape: tuple[int, int], spacing: tuple[float, float] | None, expected: tuple[int, int]
) -> None:
    assert square_shape(shape, spacing) == expected


def test_height_and_width_are_not_swapped() -> None:
    pixels = np.zeros((100, 200), np.uint8)
    pixels[:50, :100] = 255  # the upper left quarter
    network_input = preprocess(pixels, size=40)[..., 0]
    assert network_input[11:20, :20].min() == 1.0
    assert network_input.sum() == 200.0


def test_a_mask_stays_binary_and_follows_its_slice() -> None:
    mask = np.zeros((64, 32), np.uint8)
    mask[16:32, 8:16] = 255
    result = preprocess_mask(mask, size=32)
    assert set(np.unique(result)) == {0.0, 1.0}
    assert result[8:16, 12:16].min() == 1.0
    assert result.sum() == 8 * 4


@settings(max_examples=60, deadline=None)
@given(st.integers(32, 300), st.integers(32, 300))
def test_restoring_undoes_the_geometry(height: int, width: int) -> None:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = (rows / height + columns / width) / 2
    network_input = preprocess(slope, value_range=(0.0, 1.0), size=64)
    restored = restore(network_input, (height, width))
    assert restored.shape == (height, width, 1)
    # A linear slope survives resizing but for half a pixel of the coarse grid at the border.
    assert (
        float(np.abs(restored[..., 0] - slope).max()) < 1.5 / min(64 * height, 64 * width) * max(height, width) + 0.01
    )


def test_restoring_keeps_the_channels_apart() -> None:
    probabilities = np.zeros((8, 8, 2), np.float32)
    probabilities[..., 1] = 1.0
    restored = restore(probabilities, (5, 3))
    assert restored.shape == (5, 3, 2)
    assert restored[..., 0].max() == 0.0
    assert restored[..., 1].min() == 1.0


def test_it_refuses_colour_pictures_and_reversed_ranges() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4, 3\)"):
        preprocess(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="value_range"):
        preprocess(np.zeros((4, 4), np.uint8), value_range=(255.0, 0.0))
    with pytest.raises(ValueError, match="at least 1x1"):
        placement((0, 5))
