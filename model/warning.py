"""A picture of something that was read against advice -> the same, with the warning in it."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

from model.recognise.judge import Recognition

LABEL = "does not look like a chest CT"
"""Short enough for the fields of file headers."""

KEYWORD = "Warning"
"""Under which a PNG file holds the sentence, see https://www.w3.org/TR/png-3/#11keywords."""

MIN_WIDTH_FOR_LABEL_PX = 128

_HEADER_BYTES = 33
"""Signature and IHDR, with which every PNG file begins."""

_AMBER, _DARK = (240, 180, 41), (22, 24, 26)


def label(recognition: Recognition | None) -> str:
    """Return LABEL where something was refused and read all the same; nothing elsewhere."""
    return LABEL if recognition is not None and recognition.refused else ""


def label_rows(width: int, recognition: Recognition | None) -> int:
    """Return over how many uppermost rows of a picture in colours, so wide, `warned` writes; 0 where it does not."""
    if not label(recognition) or width < MIN_WIDTH_FOR_LABEL_PX:
        return 0
    _, high = _label_size()
    return round(_label_scale(width) * high * 1.8)


def warned(png: bytes, recognition: Recognition | None) -> bytes:
    """Return a PNG file with what is to be known of it; as it is where there is nothing.

    The sentence goes into the file's text. Into pictures in colours, which are looked at rather than computed with, a
    refusal is written as well, over the uppermost rows, unless they are too narrow for it.
    """
    if recognition is None or not recognition.sentence:
        return png
    return _told(_labelled(png, recognition), recognition.sentence)


def _told(png: bytes, sentence: str) -> bytes:
    """Put a sentence into the text of a PNG file, right after its header, and leave its pixels as they are packed."""
    content = b"iTXt" + KEYWORD.encode("ascii") + bytes(5) + sentence.encode()
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return png[:_HEADER_BYTES] + chunk + png[_HEADER_BYTES:]


def _labelled(png: bytes, recognition: Recognition) -> bytes:
    """Write LABEL into a picture in colours of something refused, where it has room."""
    with Image.open(io.BytesIO(png)) as opened:
        rows = label_rows(opened.width, recognition)
        if opened.mode != "RGB" or not rows:
            return png
        buffer = io.BytesIO()
        _with_label(opened, rows).save(buffer, "PNG")
    return buffer.getvalue()


def _with_label(image: Image.Image, rows: int) -> Image.Image:
    """Write LABEL over so many uppermost rows, as wide as there is room."""
    pixels = np.array(image)
    wide, high = _label_size()
    scale = _label_scale(image.width)
    pixels[:rows] = _DARK
    place = (round((pixels.shape[1] - scale * wide) / 2), round(scale * high * 1.4))
    cv2.putText(pixels, LABEL, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _AMBER, max(1, round(2 * scale)), cv2.LINE_AA)
    return Image.fromarray(pixels)


def _label_size() -> tuple[int, int]:
    """Return width and height of LABEL in pixels, at scale 1."""
    (wide, high), _ = cv2.getTextSize(LABEL, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    return wide, high


def _label_scale(width: int) -> float:
    """Return how large LABEL is written into a picture so wide, its own size being 1."""
    return min(1.0, 0.9 * width / _label_size()[0])
