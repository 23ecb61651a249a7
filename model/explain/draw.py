"""Slice + map -> picture of what a call rests on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.findings import Mask
from model.overlay import LIGHT, Style, blend, colour_table, draw_outline, mark_sides, rendered
from model.png import encode_png

COLOURS = "copper"
"""Of one hue, about evenly brighter, and none of the maps of the probability, for which this one must not be taken."""

LEGEND = "what the network looked at; the line: what it calls lesion"
LEAST_WIDTH_PX = 240
"""A narrower picture has no room for the legend."""

ByteImage = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


def draw_map(gray: ByteImage, found: FloatArray) -> ByteImage:
    """Return (H, W, 3) uint8, RGB: a slice, (H, W) uint8, with its map, (H, W) float32 in 0.0 ... 1.0, over it.

    It is more opaque the higher the map; where the map is 0.0 the slice is untouched.
    """
    return blend(gray, found, Style(colours=COLOURS))


def explanation_png(
    gray: ByteImage, found: FloatArray, called: Mask, *, legend: bool = False, sides_known: bool = False
) -> bytes:
    """Return a slice with its map and the outline of what was called, as PNG, RGB.

    Parameters
    ----------
    gray, found : as `draw_map` takes them.
    called : (H, W) bool.
    legend : for a picture that is looked at alone: below it stands what the colours mean, where there is room.
    sides_known : with the legend, R and L stand at the sides of the picture.
    """
    image = draw_map(gray, found)
    draw_outline(image, called)
    if legend and sides_known:
        mark_sides(image)
    if legend and image.shape[1] >= LEAST_WIDTH_PX:
        image = np.vstack([image, _legend(image.shape[1])])
    return encode_png(image)


@lru_cache(maxsize=16)
def _legend(width: int) -> ByteImage:
    """Render what the colours mean as (H, width, 3) uint8, RGB."""
    dpi = 100
    height = max(44, width // 10)
    size = min(height / 5.5, width / 45)
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor="black")
    axes = figure.add_axes((0.16, 0.18, 0.68, 0.2))
    axes.imshow(colour_table(COLOURS)[np.newaxis], aspect="auto")
    axes.set_axis_off()
    figure.text(0.5, 0.7, LEGEND, ha="center", va="center", fontsize=size, color=LIGHT)
    figure.text(0.14, 0.28, "little", ha="right", va="center", fontsize=size, color=LIGHT)
    figure.text(0.86, 0.28, "most", ha="left", va="center", fontsize=size, color=LIGHT)
    return np.ascontiguousarray(rendered(figure)[..., :3])
