from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.explain.draw import COLOURS, LEAST_WIDTH_PX, draw_map, explanation_png
from model.overlay import COLOUR_MAPS, colour_table


def read(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)), np.uint8)


def scene(width: int = 256) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    gray = np.full((200, width), 100, np.uint8)
    found = np.zeros((200, width), np.float32)
    found[50:100, 50:100] = 1.0
    called = np.zeros((200, width), np.bool_)
    called[120:160, 60:120] = True
    return gray, found, called


def test_the_map_lies_over_the_slice_and_leaves_the_rest_gray() -> None:
    gray = np.full((4, 5), 100, np.uint8)
    found = np.zeros((4, 5), np.float32)
    found[1, 2], found[2, 2] = 1.0, 0.5
    drawn = draw_map(gray, found)
    assert drawn.shape == (4, 5, 3)
    assert drawn.dtype == np.uint8
    assert drawn[0, 0].tolist() == [100, 100, 100]
    # 0.4 of the gray and 0.6 of copper's last colour, (255, 199, 127).
    assert drawn[1, 2].tolist() == [193, 159, 116]
    red, _, blue = drawn[2, 2].tolist()
    assert red > 100 > blue


def test_its_colours_are_of_one_hue_evenly_brighter_and_none_of_the_probability() -> None:
    assert COLOURS not in COLOUR_MAPS
    table = colour_table(COLOURS)
    lightness = cv2.cvtColor(table[np.newaxis].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[0, :, 0]
    np.testing.assert_allclose(lightness[::51] / lightness[-1], np.linspace(0, 1, 6), atol=0.1)
    # Brown to amber, from dark to light: red above green above blue.
    assert (np.diff(table[8:].astype(int), axis=1) < 0).all()


def test_what_was_called_has_its_outline() -> None:
    gray, found, called = scene()
    drawn = read(explanation_png(gray, found, called))
    assert drawn.shape == (200, 256, 3)
    assert drawn[140, 90].tolist() == [100, 100, 100]
    # The line is light blue; the map is brown to amber.
    rows, columns = np.nonzero(drawn[..., 2].astype(int) - drawn[..., 0] > 60)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((118, 161, 58, 121), abs=1)


def test_the_legend_stands_below_where_there_is_room() -> None:
    gray, found, called = scene()
    alone = read(explanation_png(gray, found, called, legend=True))
    assert alone.shape[0] > 200
    np.testing.assert_array_equal(alone[:200], read(explanation_png(gray, found, called)))
    # Copper's last colour is on the right of the scale, its first is black.
    strip = alone[200:].astype(int)
    is_last = np.abs(strip - (255, 199, 127)).sum(axis=-1) < 12
    assert np.nonzero(is_last)[1].min() > 200
    narrow = scene(LEAST_WIDTH_PX - 1)
    assert read(explanation_png(*narrow, legend=True)).shape[0] == 200


def test_the_sides_stand_in_the_picture_to_keep_alone() -> None:
    gray, found, called = scene()
    plain, kept = (
        read(explanation_png(gray, found, called, legend=legend, sides_known=True)) for legend in (False, True)
    )
    np.testing.assert_array_equal(plain, read(explanation_png(gray, found, called)))
    columns = np.nonzero((kept[:200] != plain).any(axis=(0, 2)))[0]
    assert set(columns // 32) == {0, 7}
