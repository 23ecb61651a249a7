"""Slice + probabilities -> PNG bytes. matplotlib's colour maps and Figure; never pyplot, whose state is global."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.findings import Mask, lesion_mask
from model.segment import Segmentation

COLOUR_MAP = "viridis"
"""Perceptually uniform and readable without colour vision; a rainbow would draw edges that are not there.

Certain is yellow: at the top of magma and inferno stands a white that is lost on consolidation and bone.
"""

OUTLINE = (120, 230, 255)  # RGB; stands out from gray and from every colour of the map
RIM = (0, 0, 0)
MIN_SIDE_FOR_BAR_PX = 160

RgbImage = NDArray[np.uint8]


def overlay_png(segmentation: Segmentation) -> bytes:
    """Return the overlay as PNG, RGB, at the slice's height and width; what it shows: see `overlay`."""
    image = overlay(
        segmentation.ct_slice.as_bytes(), segmentation.lesion_probability, threshold=segmentation.findings.threshold
    )
    return encode_png(image[..., ::-1])


def mask_png(segmentation: Segmentation) -> bytes:
    """Return the lesion mask as PNG, 8-bit gray, 0 or 255, at the slice's height and width."""
    return encode_png(segmentation.mask.astype(np.uint8) * 255)


def probability_png(segmentation: Segmentation) -> bytes:
    """Return the lesion probability as PNG, 16-bit gray, 65535 = 1.0, at the slice's height and width."""
    return encode_png(np.rint(segmentation.lesion_probability * 65535.0).astype(np.uint16))


def original_png(segmentation: Segmentation) -> bytes:
    """Return the slice as it was read, as PNG, 8-bit gray, without any of the upload's metadata."""
    return encode_png(segmentation.ct_slice.as_bytes())


PICTURES: dict[str, Callable[[Segmentation], bytes]] = {
    "overlay": overlay_png,
    "mask": mask_png,
    "probability": probability_png,
}
"""What is handed out of a segmentation, by the names that pages, API and command line use."""


def render_pictures(segmentation: Segmentation) -> dict[str, bytes]:
    """Return all of PICTURES as PNG files, by name."""
    return {name: render(segmentation) for name, render in PICTURES.items()}


def overlay(gray: NDArray[np.uint8], probability: NDArray[np.float32], *, threshold: float) -> RgbImage:
    """Draw the lesion probability over a slice.

    Over the lesions lies the heat map, more opaque the higher the probability; around them, just outside, an outline.
    A colour bar stands in the corner with the fewest lesion pixels; pictures with a side below 160 pixels have no room
    for one. Everything else stays gray and untouched.

    Parameters
    ----------
    gray : (H, W) uint8.
    probability : (H, W) float32 in 0.0 ... 1.0.
    threshold : probability from which a pixel is lesion.

    Returns
    -------
    (H, W, 3) uint8, RGB.
    """
    if gray.shape != probability.shape:
        raise ValueError(f"gray {gray.shape} and probability {probability.shape} differ in shape")
    mask = lesion_mask(probability, threshold)
    image = np.repeat(gray[..., np.newaxis], 3, axis=2)
    if min(gray.shape) >= MIN_SIDE_FOR_BAR_PX:
        _draw_bar(image, mask, threshold)
    # Heat goes on last, so that neither the bar nor the outline hides a part of a lesion.
    _draw_outline(image, mask)
    image[mask] = _heat(gray[mask], probability[mask])
    return image


def _heat(gray: NDArray[np.uint8], probability: NDArray[np.float32]) -> RgbImage:
    """Blend (N,) gray values with the colours of (N,) probabilities; returns (N, 3) uint8."""
    alpha = (0.6 * probability)[:, np.newaxis]
    colours = _colour_table()[np.rint(probability * 255.0).astype(np.uint8)]
    return np.asarray(np.rint((1.0 - alpha) * gray[:, np.newaxis] + alpha * colours), np.uint8)


@lru_cache(maxsize=1)
def _colour_table() -> NDArray[np.float32]:
    """Return (256, 3) float32 in 0 ... 255, RGB, from probability 0 to 1."""
    rgba = matplotlib.colormaps[COLOUR_MAP](np.linspace(0.0, 1.0, 256))
    return np.asarray(255.0 * rgba[:, :3], np.float32)


def _draw_outline(image: RgbImage, mask: Mask) -> None:
    """Draw a light line with a dark rim around a mask, into an RGB picture, so that it shows on any gray."""
    width = max(1, round(max(mask.shape) / 512))
    # Two pixels out at the least: the rim lies between heat and line.
    side = 2 * (width + 1) + 1
    around = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))
    contours, _ = cv2.findContours(around, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, RIM, width + 2, cv2.LINE_AA)
    cv2.drawContours(image, contours, -1, OUTLINE, width, cv2.LINE_AA)


def _draw_bar(image: RgbImage, mask: Mask, threshold: float) -> None:
    """Blend the colour bar into the corner with the fewest lesion pixels, bottom right if it is as good as any."""
    bar = _bar(max(110, min(image.shape[:2]) // 3), round(threshold, 2))
    height, width = bar.shape[:2]
    rows, columns = (slice(-height, None), slice(0, height)), (slice(-width, None), slice(0, width))
    corners = [(row, column) for row in rows for column in columns]
    row, column = min(corners, key=lambda corner: int(np.count_nonzero(mask[corner])))
    alpha = bar[..., 3:] / 255.0
    image[row, column] = np.rint(alpha * bar[..., :3] + (1.0 - alpha) * image[row, column]).astype(np.uint8)


@lru_cache(maxsize=64)
def _bar(height: int, threshold: float) -> NDArray[np.uint8]:
    """Render the colour bar, `height` pixels high, as RGBA; kept, since drawing text is the slow part."""
    dpi = 100
    figure = Figure(figsize=(0.58 * height / dpi, height / dpi), dpi=dpi, facecolor=(0.09, 0.09, 0.1, 0.75))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.12, 0.07, 0.2, 0.78))
    scale = matplotlib.cm.ScalarMappable(Normalize(0.0, 1.0), COLOUR_MAP)
    bar = figure.colorbar(scale, cax=axes, ticks=[0.0, threshold, 1.0])
    size = max(5.0, 0.055 * height)
    axes.set_yticklabels(["0", f"{threshold:g}", "1"], fontsize=size, color="#e8e8e6")
    axes.tick_params(length=0.2 * size, pad=0.2 * size, color="#e8e8e6")
    axes.axhline(threshold, color=[channel / 255 for channel in OUTLINE], linewidth=max(1.0, height / 120))
    bar.outline.set_edgecolor("#9aa0a6")
    figure.text(0.5, 0.98, "probability", ha="center", va="top", fontsize=0.85 * size, color="#e8e8e6")
    # matplotlib states no types for these two.
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba(), np.uint8)  # type: ignore[no-untyped-call]


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode (H, W) or (H, W, 3) in OpenCV's order, blue first."""
    _, encoded = cv2.imencode(".png", image)
    return bytes(encoded)
