"""A picture of something that was read against advice -> the same, with the warning in it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.png import HEADER_BYTES, chunk, encode_png
from model.recognise.judge import Recognition

ByteImage = NDArray[np.uint8]

LABEL = "does not look like a chest CT"
"""Short enough for the fields of file headers."""

KEYWORD = "Warning"
"""Under which a PNG file holds the sentence, see https://www.w3.org/TR/png-3/#11keywords."""

SHORT_LABEL = "NOT A CHEST CT?"
"""What is written into pictures that are too narrow for LABEL."""

LEAST_SCALE = 0.29
"""Letters below this, of which capitals have six pixels, cannot be read: a picture needs 43 rows and 80 columns."""

_AMBER, _DARK = (240, 180, 41), (22, 24, 26)


def label(recognition: Recognition | None) -> str:
    """Return LABEL where something was refused and read all the same; nothing elsewhere."""
    return LABEL if recognition is not None and recognition.refused else ""


def label_rows(shape: tuple[int, ...], recognition: Recognition | None) -> int:
    """Return over how many uppermost rows of a picture in colours `warned` writes; 0 where it does not.

    shape : of the picture, height and width first. At most a third of it is written over.
    """
    writing = _writing(shape[0], shape[1]) if label(recognition) else None
    return 0 if writing is None else writing.rows


def warned(png: bytes, recognition: Recognition | None) -> bytes:
    """Return a PNG file with what is to be known of it; as it is where there is nothing.

    The sentence goes into the file's text. Into pictures in colours, which are looked at rather than computed with, a
    refusal is written as well, over the uppermost rows, unless they are too small for it.
    """
    if recognition is None or not recognition.sentence:
        return png
    return _told(_labelled(png, recognition), recognition.sentence)


def _told(png: bytes, sentence: str) -> bytes:
    """Put a sentence into the text of a PNG file, right after its header, and leave its pixels as they are packed."""
    text = chunk(b"iTXt", KEYWORD.encode("ascii") + bytes(5) + sentence.encode())
    return png[:HEADER_BYTES] + text + png[HEADER_BYTES:]


def stamped(pixels: ByteImage, recognition: Recognition | None) -> ByteImage:
    """Return a picture with LABEL over its uppermost rows where it shows something refused and has room; else as it is.

    pixels : (H, W, 3) uint8, RGB.
    """
    writing = _writing(pixels.shape[0], pixels.shape[1]) if label(recognition) else None
    return pixels if writing is None else _written(pixels, writing)


@dataclass(frozen=True)
class _Writing:
    """text : as it is written. scale : how large, its own size being 1. rows : over how many."""

    text: str
    scale: float
    rows: int


def _writing(height: int, width: int) -> _Writing | None:
    """Return what is written into a picture so large, as wide as there is room; None where it could not be read."""
    for text in (LABEL, SHORT_LABEL):
        wide, high = _size(text)
        scale = min(1.0, 0.9 * width / wide, height / 3 / (1.8 * high))
        if scale >= LEAST_SCALE:
            return _Writing(text, scale, min(round(scale * high * 1.8), height // 3))
    return None


def _labelled(png: bytes, recognition: Recognition) -> bytes:
    """Write LABEL into a picture in colours of something refused, where it has room."""
    with Image.open(io.BytesIO(png)) as opened:
        if opened.mode != "RGB" or not label_rows((opened.height, opened.width), recognition):
            return png
        return encode_png(stamped(np.array(opened), recognition))


def _written(pixels: ByteImage, writing: _Writing) -> ByteImage:
    written, (wide, high), scale = pixels.copy(), _size(writing.text), writing.scale
    written[: writing.rows] = _DARK
    place = (round((pixels.shape[1] - scale * wide) / 2), round(scale * high * 1.4))
    thickness = max(1, round(2 * scale))
    cv2.putText(written, writing.text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _AMBER, thickness, cv2.LINE_AA)
    return written


def _size(text: str) -> tuple[int, int]:
    """Return width and height of a text in pixels, at scale 1."""
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    return wide, high
