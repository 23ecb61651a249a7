"""Bytes of a picture -> CT slice: PNG, JPEG, TIFF or BMP."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from model.decode.ct import CtSlice
from model.errors import DamagedImage, EmptyFile, NotAnImage, TooLarge, TooSmall

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""The formats that are read, by Pillow's names."""

MAX_MEGAPIXELS = 20
"""Largest picture that is unpacked, in millions of pixels."""

MAX_FILE_MB = 64
"""Largest file that is read, in millions of bytes; the server may be told otherwise."""

MIN_SIDE_PX = 32
MAX_ASPECT_RATIO = 8

LEAST_COLOUR = 0.001
"""Share of coloured pixels from which they are told of: an arrow, or a coloured letter."""

_COLOURS = "The picture has colours; they were read as gray."

_PHOTOMETRIC_INTERPRETATION = 262

_BIT_DEPTHS = (8, 10, 12, 14, 16)

# What Pillow's decoders raise on damaged files, beside OSError.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)


def decode_picture(data: bytes) -> CtSlice:
    """Read a picture of a CT slice.

    Parameters
    ----------
    data : a whole PNG, JPEG, TIFF or BMP file; 1, 8 or 16 bit; gray, RGB(A), palette or CMYK.

    Returns
    -------
    The slice, turned as its EXIF orientation says. Colours become gray by their luminance (ITU-R BT.601), what is
    transparent becomes black. Of several pages the first is read, and a note says so.

    Raises
    ------
    EmptyFile, NotAnImage, DamagedImage, TooLarge, TooSmall : each with a sentence for the sender.
    """
    if not data:
        raise EmptyFile("The file is empty (0 bytes). Choose the picture again; it may still have been copying.")
    with _sentences(data):
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        check_size(*image.size)
        # Not n_frames, which walks through all pages: a small TIFF can claim millions of them.
        has_more_pages = getattr(image, "is_animated", False)
        image.load()
        upright = ImageOps.exif_transpose(image)
    pixels, colour_share = _to_gray(upright)
    notes = [_COLOURS] if colour_share > LEAST_COLOUR else []
    value_range = _value_range(pixels)
    if pixels.dtype == np.uint16 and _is_white_zero(image):
        pixels = (np.uint16(value_range[1]) - pixels).astype(np.uint16)
    if has_more_pages:
        notes.append("Only the first page was read; the file has more.")
    if pixels.dtype == np.uint16 and value_range[1] < 65535.0:
        notes.append(f"No pixel is above {value_range[1]:.0f}, so this value was taken for white.")
    return CtSlice(pixels, value_range, notes=tuple(notes), colour_share=colour_share)


def _is_white_zero(image: Image.Image) -> bool:
    """Whether a TIFF counts gray down from white (PhotometricInterpretation 0); Pillow turns only 8 bits round."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(_PHOTOMETRIC_INTERPRETATION) == 0)


@contextlib.contextmanager
def _sentences(data: bytes) -> Iterator[None]:
    """Turn what Pillow raises into our errors."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise TooLarge(_too_large_sentence("far too many pixels")) from exc
    except UnidentifiedImageError as exc:
        raise _unidentified(data) from exc
    except _DECODER_ERRORS as exc:
        raise DamagedImage(_damaged_sentence()) from exc


def _unidentified(data: bytes) -> NotAnImage | DamagedImage:
    """Say what a file is that Pillow does not open, from its first bytes."""
    signatures = ((0, b"\x89PNG"), (0, b"\xff\xd8\xff"), (0, b"II*\0"), (0, b"MM\0*"), (0, b"BM"))
    if any(data.startswith(magic, at) for at, magic in signatures):
        return DamagedImage(_damaged_sentence())
    known = (
        (128, b"DICM", "a DICOM file"),
        (344, b"n+1\0", "a NIfTI volume"),
        (344, b"ni1\0", "the header of a NIfTI pair (.hdr, .img), which is read as one .nii file only"),
        (0, b"\x1f\x8b", "a gzip file"),
        (0, b"PK", "a zip file"),
        (0, b"%PDF", "a PDF document"),
        (0, b"GIF8", "a GIF"),
        (8, b"WEBP", "a WebP picture"),
    )
    kind = next((name for at, magic, name in known if data.startswith(magic, at)), "not a picture that can be read")
    return NotAnImage(
        f"This file is {kind}. Upload one CT slice as PNG, JPEG, TIFF or BMP, or a scan as DICOM files, a zip file of "
        "them, or NIfTI."
    )


def _damaged_sentence() -> str:
    return "The picture is damaged or was cut short. Export it again, or check that the upload was complete."


def _too_large_sentence(size: str) -> str:
    return f"The picture has {size}; at most {MAX_MEGAPIXELS} million pixels are read. Upload a smaller one."


def several_pictures(count: int) -> NotAnImage:
    """Return the error of an upload with more than one picture."""
    return NotAnImage(
        f"{count} pictures were sent. Send one at a time: pictures do not say how they lie above each other. A series "
        "is read from DICOM files, a zip of them, or NIfTI."
    )


def several_zips(count: int) -> NotAnImage:
    """Return the error of an upload with more than one zip file, or one among other files."""
    what = "1 zip file was sent with others" if count == 1 else f"{count} zip files were sent"
    return NotAnImage(f"{what}. Send one zip file at a time, alone.")


def check_size(width: int, height: int) -> None:
    """Raise TooLarge or TooSmall where a slice has too many pixels, too few, or one side far longer than the other."""
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise TooLarge(_too_large_sentence(f"{width} × {height} pixels"))
    if min(width, height) < MIN_SIDE_PX:
        raise TooSmall(
            f"The picture is {width} × {height} pixels. A CT slice needs at least {MIN_SIDE_PX} on each side."
        )
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise TooSmall(
            f"The picture is {width} × {height} pixels. One side is more than {MAX_ASPECT_RATIO} times the other: "
            "that is no CT slice. Upload the slice alone."
        )


def _to_gray(image: Image.Image) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], float]:
    """Return (H, W) uint8 or uint16, and the share of the pixels that were coloured."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _deep_gray(image), 0.0
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L")), 0.0
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, (0, 0, 0, 255)), layers)
    colours = image.convert("RGB")
    return np.asarray(colours.convert("L")), colour_share(np.asarray(colours))


def _deep_gray(image: Image.Image) -> NDArray[np.uint16]:
    """Return 16-bit gray.

    Raises
    ------
    NotAnImage : the values are fractions, negative, or need more than 16 bits.
    """
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise NotAnImage(
            "The picture holds 32-bit, negative or fractional values. Export the slice in a lung window, "
            "as 8-bit or 16-bit gray."
        )
    return values.astype(np.uint16)


def colour_share(rgb: NDArray[np.uint8]) -> float:
    """Return the share of the (H, W, 3) uint8 pixels that are visibly coloured; JPEG tints gray by a few values.

    >>> colour_share(np.array([[[90, 90, 90], [90, 94, 90], [200, 90, 90], [0, 0, 255]]], np.uint8))
    0.5
    """
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    return float(np.mean(spread > 24))


def _value_range(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[float, float]:
    """Return black and white: of 16-bit files, white is the top of the smallest usual bit depth that holds the maximum.

    Scanners' 12-bit values are often stored in 16-bit files; read against 65535 they would all be black.
    """
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    top = int(pixels.max())
    return 0.0, next(float(2**bits - 1) for bits in _BIT_DEPTHS if top < 2**bits)
