"""A picture of something that was read against advice -> the same, with the warning in it."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from model.recognise.judge import Recognition

LABEL = "does not look like a chest CT"
"""Short enough for the fields of file headers."""

KEYWORD = "Warning"
"""Under which a PNG file holds the sentence, see https://www.w3.org/TR/png-3/#11keywords."""

MIN_WIDTH_FOR_LABEL_PX = 128

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
    with Image.open(io.BytesIO(png)) as opened:
        opened.load()
        has_room = opened.mode == "RGB" and opened.width >= MIN_WIDTH_FOR_LABEL_PX
        image = _labelled(opened) if recognition.refused and has_room else opened
        told, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
        told.add_itxt(KEYWORD, recognition.sentence)
        image.save(buffer, "PNG", pnginfo=told)
    return buffer.getvalue()


def _labelled(image: Image.Image) -> Image.Image:
    """Write LABEL into an RGB picture, as wide as there is room."""
    pixels = np.array(image)
    (wide, high), _ = cv2.getTextSize(LABEL, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    scale = min(1.0, 0.9 * pixels.shape[1] / wide)
    rows = round(scale * high * 1.8)
    pixels[:rows] = _DARK
    place = (round((pixels.shape[1] - scale * wide) / 2), round(scale * high * 1.4))
    cv2.putText(pixels, LABEL, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _AMBER, max(1, round(2 * scale)), cv2.LINE_AA)
    return Image.fromarray(pixels)
