from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from model.recognise.judge import CHEST, UPSIDE_DOWN, Recognition
from model.warning import KEYWORD, label, label_rows, stamped, warned

REFUSED = Recognition("head CT", True, "This does not look like a chest CT; it looks more like a head CT.")
TURNED = Recognition(UPSIDE_DOWN, False, "It is upside down.")


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("recognition", [None, Recognition(CHEST, False, "")])
def test_without_a_warning_the_file_is_as_it_was(recognition: Recognition | None) -> None:
    png = png_of(np.zeros((40, 30), np.uint8))
    assert warned(png, recognition) == png


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_in_pictures_to_compute_with_only_the_text_is_new(dtype: type) -> None:
    pixels: np.ndarray = (np.arange(1200).reshape(40, 30) * 50 % 256).astype(dtype)
    with Image.open(io.BytesIO(warned(png_of(pixels), REFUSED))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)
        assert opened.info[KEYWORD] == REFUSED.sentence


@pytest.mark.parametrize("side", [128, 512, 2000])
def test_a_refusal_is_written_over_the_uppermost_rows_of_pictures_in_colours(side: int) -> None:
    pixels = np.full((side, side, 3), 90, np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(warned(png_of(pixels), REFUSED))))
    changed = (shown != pixels).any(axis=(1, 2))
    rows = int(np.flatnonzero(changed)[-1]) + 1
    assert changed[:rows].all() and 0 < rows < 0.12 * side
    amber = (shown[..., 0] > 120) & (shown[..., 2] < 120)
    columns = np.flatnonzero(amber.any(axis=0))
    # Neither end of the words is cut off.
    assert 0 < columns[0] and columns[-1] < side - 1


@pytest.mark.parametrize(("height", "width"), [(64, 512), (43, 2000), (512, 80), (200, 127)])
def test_in_flat_and_narrow_pictures_it_is_read_and_leaves_two_thirds(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 90, np.uint8)
    shown = stamped(pixels, REFUSED)
    changed = np.flatnonzero((shown != pixels).any(axis=(1, 2)))
    assert 13 <= len(changed) == changed[-1] + 1 == label_rows(pixels.shape, REFUSED) <= height / 3
    rows, columns = np.nonzero((shown[..., 0] > 120) & (shown[..., 2] < 120))
    assert rows[-1] - rows[0] >= 5
    assert 0 < rows.min() and rows.max() < changed[-1] and 0 < columns.min() and columns.max() < width - 1


@pytest.mark.parametrize("shape", [(42, 512, 3), (512, 79, 3)])
def test_what_could_not_be_read_is_not_written(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, 90, np.uint8)
    assert stamped(pixels, REFUSED) is pixels
    assert label_rows(shape, REFUSED) == 0
    assert stamped(np.full((512, 512, 3), 90, np.uint8), TURNED).max() == 90


def test_a_slice_that_is_turned_is_told_in_the_text_alone() -> None:
    pixels = np.full((64, 64, 3), 90, np.uint8)
    with Image.open(io.BytesIO(warned(png_of(pixels), TURNED))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)
        assert opened.info[KEYWORD] == TURNED.sentence


def test_headers_get_a_label_where_something_was_refused() -> None:
    assert (label(REFUSED), label(TURNED), label(None)) == ("does not look like a chest CT", "", "")
