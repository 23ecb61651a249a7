"""PNG files of our own: read by others as they were meant, whatever the picture."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from model.overlay import overlay
from model.phantom import EXAMPLES, draw_phantom
from model.png import HEADER_BYTES, SIGNATURE, chunk, decode_png, encode_png

SIDES = st.integers(1, 9)
GRAY = arrays.arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(SIDES, SIDES))
COLOURED = arrays.arrays(np.uint8, st.tuples(SIDES, SIDES, st.just(3)))


@given(GRAY)
def test_gray_is_read_by_pillow_and_opencv_as_it_was_written(image: np.ndarray) -> None:
    png = encode_png(image)
    with Image.open(io.BytesIO(png)) as opened:
        opened.verify()
    with Image.open(io.BytesIO(png)) as opened:
        np.testing.assert_array_equal(np.array(opened), image)
    read = decode_png(png)
    assert read.dtype == image.dtype
    np.testing.assert_array_equal(read, image)


@given(COLOURED)
def test_colours_are_read_by_pillow_and_opencv_in_their_order(image: np.ndarray) -> None:
    png = encode_png(image)
    with Image.open(io.BytesIO(png)) as opened:
        assert opened.mode == "RGB"
        np.testing.assert_array_equal(np.array(opened), image)
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("turned", [np.s_[::-1], np.s_[:, ::-1], np.s_[::2, ::3]])
def test_views_are_written_as_they_look(turned: tuple[slice, ...]) -> None:
    image = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)[turned]
    with Image.open(io.BytesIO(encode_png(image))) as opened:
        np.testing.assert_array_equal(np.array(opened), image)


def test_two_gray_pixels_by_hand() -> None:
    png = encode_png(np.array([[258], [3]], np.uint16))
    assert png[:8] == SIGNATURE
    # Two pixels of 16 bits, gray, one above the other: 1, 2 stays as it is; 0 - 1 and 3 - 2 go round at 256.
    assert png[16:29] == struct.pack(">IIBBBBB", 1, 2, 16, 0, 0, 0, 0)
    (length,) = struct.unpack(">I", png[HEADER_BYTES : HEADER_BYTES + 4])
    packed = png[HEADER_BYTES + 8 : HEADER_BYTES + 8 + length]
    assert zlib.decompress(packed) == bytes([2, 1, 2, 2, 255, 1])
    assert png.endswith(b"\0\0\0\0IEND\xaeB`\x82")


def test_a_part_holds_length_kind_and_checksum() -> None:
    assert chunk(b"IEND", b"") == b"\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), np.bool_),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image must be"):
        encode_png(image)


def test_files_are_about_as_small_as_those_of_opencv() -> None:
    gray = draw_phantom(EXAMPLES["many"])
    assert len(encode_png(gray)) < 1.1 * cv2.imencode(".png", gray)[1].size
    drawn = overlay(gray, gray.astype(np.float32) / np.float32(255.0), threshold=0.5)
    assert len(encode_png(drawn)) < cv2.imencode(".png", drawn)[1].size


def test_what_is_no_png_is_refused() -> None:
    with pytest.raises(ValueError, match="no PNG file"):
        decode_png(b"Dear radiologist,")
