from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from model.decode.ct import CtSlice
from model.decode.picture import MAX_MEGAPIXELS, decode_picture
from model.errors import DamagedImage, EmptyFile, InputError, NotAnImage, TooLarge, TooSmall

# Asymmetric in both directions, so that a mirrored or turned picture is seen.
GRAY = np.add.outer(np.arange(40) * 3, np.arange(60)).astype(np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode: str) -> Image.Image:
    return Image.fromarray(GRAY).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_it_reads_8_bit_gray_without_loss(kind: str) -> None:
    ct_slice = decode_picture(encode(picture("L"), kind))
    np.testing.assert_array_equal(ct_slice.pixels, GRAY)
    assert ct_slice.pixels.dtype == np.uint8
    assert (ct_slice.value_range, ct_slice.notes, ct_slice.spacing_mm) == ((0.0, 255.0), (), None)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "PA"])
def test_gray_stored_as_colours_is_the_same_gray(mode: str) -> None:
    kind = "TIFF" if mode == "PA" else "PNG"
    ct_slice = decode_picture(encode(picture(mode), kind))
    assert np.abs(ct_slice.pixels.astype(int) - GRAY).max() <= 1
    assert ct_slice.notes == ()


def test_it_reads_jpeg_closely() -> None:
    assert np.abs(decode_picture(encode(picture("L"), "JPEG", quality=95)).pixels.astype(int) - GRAY).max() <= 6


def test_it_reads_cmyk_jpeg() -> None:
    assert (
        np.abs(
            decode_picture(encode(picture("RGB").convert("CMYK"), "JPEG", quality=95)).pixels.astype(int) - GRAY
        ).max()
        <= 8
    )


def test_it_reads_1_bit_as_black_and_white() -> None:
    bits = Image.fromarray(GRAY > 90)
    np.testing.assert_array_equal(decode_picture(encode(bits)).pixels, np.where(GRAY > 90, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("scale", "white"), [(257, 65535), (16, 4095), (1, 255)])
def test_16_bit_white_is_the_top_of_the_bit_depth_in_use(kind: str, scale: int, white: int) -> None:
    deep = GRAY.astype(np.uint16) * scale
    ct_slice = decode_picture(encode(Image.fromarray(deep), kind))
    np.testing.assert_array_equal(ct_slice.pixels, deep)
    assert ct_slice.value_range == (0.0, float(white))


def test_16_bit_shown_as_bytes_is_the_8_bit_picture() -> None:
    ct_slice = decode_picture(encode(Image.fromarray(GRAY.astype(np.uint16) * 257)))
    np.testing.assert_array_equal(ct_slice.as_bytes(), GRAY)


def test_a_guessed_white_is_noted() -> None:
    (note,) = decode_picture(encode(Image.fromarray(GRAY.astype(np.uint16) * 16))).notes
    assert note == "No pixel is above 4095, so this value was taken for white."
    assert decode_picture(encode(Image.fromarray(GRAY.astype(np.uint16) * 257))).notes == ()


def test_a_tiff_that_counts_down_from_white_is_turned_round() -> None:
    full = GRAY.copy()
    full[0, 0] = 255
    # Pillow turns 8 bits round when it writes them, and 16 bits not.
    shallow = encode(Image.fromarray(full), "TIFF", tiffinfo={262: 0})
    deep = encode(Image.fromarray((255 - full).astype(np.uint16) * 257), "TIFF", tiffinfo={262: 0})
    assert (255 - full).tobytes() in shallow
    np.testing.assert_array_equal(decode_picture(shallow).as_bytes(), full)
    np.testing.assert_array_equal(decode_picture(deep).as_bytes(), full)


@pytest.mark.parametrize("values", [GRAY.astype(np.float32) / 255, GRAY.astype(np.int32) - 1000])
def test_fractions_and_negative_values_are_refused_with_advice(values: NDArray[np.generic]) -> None:
    with pytest.raises(NotAnImage, match="Export the slice in a lung window"):
        decode_picture(encode(Image.fromarray(values), "TIFF"))


def test_transparent_becomes_black() -> None:
    rgba = np.dstack([np.full_like(GRAY, 200)] * 3 + [np.where(GRAY > 90, 255, 0).astype(np.uint8)])
    np.testing.assert_array_equal(decode_picture(encode(Image.fromarray(rgba))).pixels, np.where(GRAY > 90, 200, 0))


def test_colours_are_noted() -> None:
    red = np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = 255
    assert decode_picture(encode(Image.fromarray(red))).notes == ("The picture has colours; they were read as gray.",)


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the picture is shown turned by 90 degrees clockwise
    np.testing.assert_array_equal(decode_picture(encode(picture("L"), "PNG", exif=exif)).pixels, np.rot90(GRAY, -1))


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_of_several_pages_the_first_is_read_and_noted(kind: str) -> None:
    others = [Image.new("L", (60, 40), 255)] * 2
    ct_slice = decode_picture(encode(picture("L"), kind, save_all=True, append_images=others))
    np.testing.assert_array_equal(ct_slice.pixels, GRAY)
    assert ct_slice.notes == ("Only the first page was read; the file has more.",)


def test_the_pages_of_a_tiff_are_not_counted() -> None:
    """A million pages that all point at the next took Pillow minutes to count."""
    data = bytearray(encode(picture("L"), "TIFF"))
    first = int.from_bytes(data[4:8], "little")
    end_of_first = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    start = len(data) + len(data) % 2
    pages = b"".join(b"\0\0" + (start + 6 * (i + 1)).to_bytes(4, "little") for i in range(200_000))
    data[end_of_first : end_of_first + 4] = start.to_bytes(4, "little")
    hostile = bytes(data).ljust(start, b"\0") + pages
    assert decode_picture(hostile).notes == ("Only the first page was read; the file has more.",)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(EmptyFile, match="0 bytes"):
        decode_picture(b"")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"Dear radiologist,", "not a picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not a picture that can be read"),
        (bytes(128) + b"DICM" + bytes(100), "a DICOM file"),
        (bytes(344) + b"n+1\0", "a NIfTI volume"),
        (b"\x1f\x8b" + bytes(50), "a gzip file"),
        (b"PK\x03\x04" + bytes(50), "a zip file"),
        (b"%PDF-1.7", "a PDF document"),
        (encode(Image.fromarray(GRAY), "GIF"), "a GIF"),
        (encode(Image.fromarray(GRAY), "WEBP"), "a WebP picture"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(NotAnImage, match=f"This file is {kind}"):
        decode_picture(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_picture_is_damaged(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    with pytest.raises(DamagedImage, match="damaged or was cut short"):
        decode_picture(data[: int(len(data) * share)])


def test_a_png_with_a_bad_checksum_is_damaged() -> None:
    data = bytearray(encode(picture("L")))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises(DamagedImage):
        decode_picture(bytes(data))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = encode(Image.new("1", (30_000, 30_000)))
    assert len(data) < 1_000_000
    with pytest.raises(TooLarge, match=f"at most {MAX_MEGAPIXELS} million"):
        decode_picture(data)


def test_a_picture_just_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(TooLarge, match="5000 × 5000 pixels"):
        decode_picture(encode(Image.new("1", (5000, 5000))))


@pytest.mark.parametrize(
    ("size", "sentence"), [((1, 1), "at least 32"), ((4000, 1), "at least 32"), ((4000, 40), "more than 8 times")]
)
def test_what_is_too_small_or_too_narrow_is_refused(size: tuple[int, int], sentence: str) -> None:
    with pytest.raises(TooSmall, match=sentence):
        decode_picture(encode(Image.new("L", size)))


@pytest.mark.parametrize("gray", [0, 255])
def test_a_constant_picture_is_read(gray: int) -> None:
    assert np.all(decode_picture(encode(Image.new("L", (64, 64), gray))).as_bytes() == gray)


def _damage(kind: str) -> Callable[[list[tuple[int, int]]], bytes]:
    original = encode(picture("L"), kind)

    def damage(changes: list[tuple[int, int]]) -> bytes:
        data = bytearray(original)
        for position, value in changes:
            data[position % len(data)] = value
        return bytes(data)

    return damage


CHANGES = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8)


# Pillow warns of odd tags and reads on.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_random_damage_gives_a_slice_or_a_sentence(kind: str) -> None:
    damage = _damage(kind)

    @settings(max_examples=150, deadline=None)
    @given(CHANGES)
    def check(changes: list[tuple[int, int]]) -> None:
        try:
            ct_slice = decode_picture(damage(changes))
        except InputError as exc:
            assert str(exc).endswith(".")
        else:
            assert isinstance(ct_slice, CtSlice)
            assert ct_slice.pixels.ndim == 2

    check()


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=400))
def test_random_bytes_give_a_sentence(data: bytes) -> None:
    with pytest.raises(InputError):
        decode_picture(data)
