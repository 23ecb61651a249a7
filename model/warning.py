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


def warned(png: bytes, recognition: Recognition | None) -> bytes:
    """Return a PNG file with what is to be known of it; as it is where there is nothing.

    The sentence goes into the file's text. Into pictures in colours, which are looked at rather than computed with, a
    refusal is written as well, over the uppermost rows, unless they are too narrow for it.
    """
    if recognition is None or not recognition.sentence:
        return png
    return _told(_labelled(png) if recognition.refused else png, recognition.sentence)


def _told(png: bytes, sentence: str) -> bytes:
    """Put a sentence into the text of a PNG file, right after its header, and leave its pixels as they are packed."""
    content = b"iTXt" + KEYWORD.encode("ascii") + bytes(5) + sentence.encode()
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return png[:_HEADER_BYTES] + chunk + png[_HEADER_BYTES:]


def _labelled(png: bytes) -> bytes:
    """Write LABEL into a picture in colours, where it has room."""
    with Image.open(io.BytesIO(png)) as opened:
        if opened.mode != "RGB" or opened.width < MIN_WIDTH_FOR_LABEL_PX:
            return png
        buffer = io.BytesIO()
        _with_label(opened).save(buffer, "PNG")
    return buffer.getvalue()


def _with_label(image: Image.Image) -> Image.Image:
    """Write LABEL over the uppermost rows, as wide as there is room."""
    pixels = np.array(image)
    (wide, high), _ = cv2.getTextSize(LABEL, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    scale = min(1.0, 0.9 * pixels.shape[1] / wide)
    rows = round(scale * high * 1.8)
    pixels[:rows] = _DARK
    place = (round((pixels.shape[1] - scale * wide) / 2), round(scale * high * 1.4))
    cv2.putText(pixels, LABEL, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _AMBER, max(1, round(2 * scale)), cv2.LINE_AA)
    return Image.fromarray(pixels)
