"""Slice + probabilities -> PNG bytes. matplotlib's colour maps and Figure; never pyplot, whose state is global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.blocks import pieces
from model.findings import LUNG_THRESHOLD, Mask, lesion_mask
from model.png import encode_png
from model.segment import Segmentation
from model.steps import to_steps
from model.warning import label_rows, warned

COLOUR_MAPS = ("viridis", "magma", "inferno", "cividis")
"""The colours to choose from: perceptually uniform, and in order of brightness."""

COLOUR_MAP = COLOUR_MAPS[0]
"""Perceptually uniform and readable without colour vision; a rainbow would draw edges that are not there.

Certain is yellow: at the top of magma and inferno stands a white that is lost on consolidation and bone.
"""

OUTLINE = (120, 230, 255)  # RGB; stands out from gray and from every colour of the map
RIM = (0, 0, 0)
MIN_SIDE_FOR_BAR_PX = 160
MIN_SIDE_FOR_LETTERS_PX = 64
LIGHT = "#e8e8e6"  # text on dark

RgbImage = NDArray[np.uint8]


@dataclass(frozen=True)
class Style:
    """How lesions are drawn.

    opacity : 0.0 ... 1.0, that of the heat where the probability is 1. colours : see `colour_table`.
    """

    opacity: float = 0.6
    colours: str = COLOUR_MAP
    outline: bool = True


DEFAULT_STYLE = Style()


def overlay_png(segmentation: Segmentation) -> bytes:
    """Return the overlay as PNG, RGB, at the slice's height and width; what it shows: see `overlay`."""
    gray = segmentation.ct_slice.as_bytes()
    top = label_rows(gray.shape, segmentation.recognition)
    image = overlay(gray, segmentation.lesion_probability, threshold=segmentation.findings.threshold, top=top)
    return warned(encode_png(image), segmentation.recognition)


def mask_png(segmentation: Segmentation) -> bytes:
    """Return the lesion mask as PNG, 8-bit gray, 0 or 255, at the slice's height and width."""
    return warned(encode_png(segmentation.mask.astype(np.uint8) * 255), segmentation.recognition)


def probability_png(segmentation: Segmentation) -> bytes:
    """Return the lesion probability as PNG, 16-bit gray, 65535 = 1.0, at the slice's height and width."""
    png = encode_png(to_steps(segmentation.lesion_probability, segmentation.findings.threshold))
    return warned(png, segmentation.recognition)


def original_png(segmentation: Segmentation) -> bytes:
    """Return the slice as it was read, as PNG, 8-bit gray, without any of the upload's metadata."""
    return encode_png(segmentation.ct_slice.as_bytes())


def lung_png(segmentation: Segmentation) -> bytes | None:
    """Return what the network takes for lung as PNG, 8-bit gray, 0 or 255; None where it tells no lung."""
    if segmentation.lung_probability is None:
        return None
    return encode_png((segmentation.lung_probability >= LUNG_THRESHOLD).astype(np.uint8) * 255)


PICTURES: dict[str, Callable[[Segmentation], bytes]] = {
    "overlay": overlay_png,
    "mask": mask_png,
    "probability": probability_png,
}
"""What is handed out of a segmentation, by the names that pages, API and command line use."""


def render_pictures(segmentation: Segmentation) -> dict[str, bytes]:
    """Return all of PICTURES as PNG files, by name."""
    return {name: render(segmentation) for name, render in PICTURES.items()}


def overlay(
    gray: NDArray[np.uint8],
    probability: NDArray[np.float32],
    *,
    threshold: float,
    bar: bool = True,
    style: Style = DEFAULT_STYLE,
    top: int = 0,
) -> RgbImage:
    """Draw the lesion probability over a slice.

    Over the lesions lies the heat map, more opaque the higher the probability; around them, just outside, an outline.
    A colour bar stands in the corner with the fewest lesion pixels; pictures with a side below 160 pixels have no room
    for one. Everything else stays gray and untouched.

    Parameters
    ----------
    gray : (H, W) uint8.
    probability : (H, W) float32 in 0.0 ... 1.0.
    threshold : probability from which a pixel is lesion.
    bar : without it for pictures that lie beside each other or follow one another: they share a legend.
    style : its colours, how opaque they are, and whether there is an outline.
    top : so many uppermost rows will be written over, see `model.warning.label_rows`: the bar stands below them.

    Returns
    -------
    (H, W, 3) uint8, RGB.
    """
    if gray.shape != probability.shape:
        raise ValueError(f"gray {gray.shape} and probability {probability.shape} differ in shape")
    mask = lesion_mask(probability, threshold)
    image = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)
    if bar and min(gray.shape) >= MIN_SIDE_FOR_BAR_PX:
        _draw_bar(image, mask, threshold, style.colours, top)
    # Heat goes on last, so that neither the bar nor the outline hides a part of a lesion.
    if style.outline:
        draw_outline(image, mask)
    places = np.flatnonzero(mask)
    image.reshape(-1, 3)[places] = blend(gray.reshape(-1)[places], probability.reshape(-1)[places], style)
    return image


def heat_map(probability: NDArray[np.float32], colours: str = COLOUR_MAP) -> RgbImage:
    """Return (H, W, 3) uint8, RGB: all of the lesion probability, (H, W) float32, without the slice below it."""
    image = np.empty((probability.size, 3), np.uint8)
    for some in pieces(probability.size):
        image[some] = colour_table(colours)[_places(probability.reshape(-1)[some])]
    return image.reshape(*probability.shape, 3)


def blend(gray: NDArray[np.uint8], values: NDArray[np.float32], style: Style) -> RgbImage:
    """Lay the colours of values over gray ones, more opaque the higher the value; where it is 0.0 gray is untouched.

    gray, values : of one shape (...), uint8, and float32 in 0.0 ... 1.0. Returns (..., 3) uint8, RGB.
    """
    blended = np.empty((gray.size, 3), np.uint8)
    for some in pieces(gray.size):
        below, above = gray.reshape(-1)[some, np.newaxis], values.reshape(-1)[some]
        alpha = (np.float32(style.opacity) * above)[:, np.newaxis]
        blended[some] = np.rint((1.0 - alpha) * below + alpha * colour_table(style.colours)[_places(above)])
    return blended.reshape(*gray.shape, 3)


def _places(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return where the colours of probabilities lie in a table of 256."""
    return np.asarray(np.rint(probability * 255.0), np.uint8)


@lru_cache(maxsize=len(COLOUR_MAPS) + 1)
def colour_table(colours: str = COLOUR_MAP) -> NDArray[np.uint8]:
    """Return (256, 3) uint8, RGB, from 0 to 1; `colours` is one of COLOUR_MAPS, or another map of matplotlib's."""
    rgba = matplotlib.colormaps[colours](np.linspace(0.0, 1.0, 256))
    return np.asarray(np.rint(255.0 * rgba[:, :3]), np.uint8)


def draw_outline(image: RgbImage, mask: Mask) -> None:
    """Draw a light line with a dark rim around a mask, into an RGB picture, so that it shows on any gray."""
    width = max(1, round(max(mask.shape) / 512))
    # Two pixels out at the least: the rim lies between heat and line.
    side = 2 * (width + 1) + 1
    around = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))
    contours, _ = cv2.findContours(around, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, RIM, width + 2, cv2.LINE_AA)
    cv2.drawContours(image, contours, -1, OUTLINE, width, cv2.LINE_AA)


def _draw_bar(image: RgbImage, mask: Mask, threshold: float, colours: str, top: int) -> None:
    """Blend the colour bar into the corner with the fewest lesion pixels, bottom right if it is as good as any.

    top : rows that are left free above it.
    """
    bar = _bar(max(110, min(image.shape[:2]) // 3), round(threshold, 2), colours)
    height, width = bar.shape[:2]
    rows, columns = (slice(-height, None), slice(top, top + height)), (slice(-width, None), slice(0, width))
    corners = [(row, column) for row in rows for column in columns]
    row, column = min(corners, key=lambda corner: int(np.count_nonzero(mask[corner])))
    alpha = bar[..., 3:] / 255.0
    image[row, column] = np.rint(alpha * bar[..., :3] + (1.0 - alpha) * image[row, column]).astype(np.uint8)


@lru_cache(maxsize=64)
def _bar(height: int, threshold: float, colours: str) -> NDArray[np.uint8]:
    """Render the colour bar, `height` pixels high, as RGBA; kept, since drawing text is the slow part."""
    dpi = 100
    figure = Figure(figsize=(0.58 * height / dpi, height / dpi), dpi=dpi, facecolor=(0.09, 0.09, 0.1, 0.75))
    axes = figure.add_axes((0.12, 0.07, 0.2, 0.78))
    scale = matplotlib.cm.ScalarMappable(Normalize(0.0, 1.0), colours)
    bar = figure.colorbar(scale, cax=axes, ticks=[0.0, threshold, 1.0])
    size = max(5.0, 0.055 * height)
    axes.set_yticklabels(["0", f"{threshold:g}", "1"], fontsize=size, color=LIGHT)
    axes.tick_params(length=0.2 * size, pad=0.2 * size, color=LIGHT)
    axes.axhline(threshold, color=[channel / 255 for channel in OUTLINE], linewidth=max(1.0, height / 120))
    bar.outline.set_edgecolor("#9aa0a6")
    figure.text(0.5, 0.98, "probability", ha="center", va="top", fontsize=0.85 * size, color=LIGHT)
    return rendered(figure)


def mark_sides(image: RgbImage) -> None:
    """Write R at the left edge of an RGB picture and L at its right, into it: the patient's sides, as displayed.

    Pictures with a side below 64 pixels have no room for them.
    """
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_FOR_LETTERS_PX:
        return
    scale = max(0.4, min(height, width) / 450)
    letters = np.zeros((height, width), np.uint8)
    for letter in "RL":
        (wide, high), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        margin = max(1, round(8 * scale))
        place = (margin if letter == "R" else width - wide - margin, (height + high) // 2)
        cv2.putText(letters, letter, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1, cv2.LINE_AA)
    # A dark rim, so that they show on bright tissue too.
    side = 2 * max(1, round(3 * scale)) + 1
    rim = cv2.dilate(letters, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    for shape, gray in ((rim, 0.0), (letters, 255.0)):
        # Where there is no ink nothing changes.
        inked = shape > 0
        alpha = shape[inked][:, np.newaxis] / 255.0
        image[inked] = np.rint(alpha * gray + (1.0 - alpha) * image[inked]).astype(np.uint8)


def draw_scale(axes: Axes, threshold: float, *, ink: str, size: float, colours: str = COLOUR_MAP) -> None:
    """Draw the colours from probability 0 to 1 into flat axes, with 0, 1 and the threshold at their places.

    ink : the colour of lines and text. size : of the text, in points. colours : one of COLOUR_MAPS.
    """
    axes.imshow(colour_table(colours)[np.newaxis], extent=(0.0, 1.0, 0.0, 1.0), aspect="auto")
    axes.axvline(threshold, ymin=-0.2, ymax=1.2, color=ink, linewidth=1.5, clip_on=False)
    side = "left" if threshold < 0.2 else "right" if threshold > 0.8 else "center"
    axes.text(threshold, 1.3, f"threshold {threshold:g}", ha=side, va="bottom", fontsize=size, color=ink)
    axes.set_xticks([0.0, 1.0], ["0", "1"], fontsize=size, color=ink)
    axes.set_yticks([])
    axes.tick_params(length=0, pad=0.3 * size)
    axes.spines[:].set_edgecolor("#9aa0a6")


def colour_stops(count: int = 9, colours: str = COLOUR_MAP) -> list[str]:
    """Return so many colours of a heat map, evenly from probability 0 to 1, for a gradient on a page.

    >>> colour_stops(2)
    ['#440154', '#fde725']
    """
    table = colour_table(colours) / 255.0
    return [to_hex(table[place]) for place in np.linspace(0, 255, count).round().astype(int)]


def rendered(figure: Figure) -> NDArray[np.uint8]:
    """Return what a figure shows: (H, W, 4) uint8, RGBA."""
    canvas = FigureCanvasAgg(figure)
    # matplotlib states no types for these two.
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba(), np.uint8)  # type: ignore[no-untyped-call]
