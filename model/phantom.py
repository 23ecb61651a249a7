"""Draw a chest CT slice: for examples, screenshots and tests, since real scans may not be shipped."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model.png import encode_png

SIZE = 512

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Blob:
    """An opacity: centre and radius in pixels of the 512×512 phantom, density 0 ... 1 (0.5 ground glass, 1 solid)."""

    x: int
    y: int
    radius: int
    density: float


EXAMPLES: dict[str, tuple[Blob, ...]] = {
    "none": (),
    "one": (Blob(138, 310, 34, 0.6),),
    "many": (
        Blob(122, 318, 38, 0.7),
        Blob(170, 345, 26, 0.9),
        Blob(392, 330, 40, 0.75),
        Blob(350, 360, 22, 1.0),
        Blob(396, 236, 24, 0.55),
    ),
}
"""Opacities of the example phantoms. The picture's left is the patient's right, as radiologists look at it."""


def draw_phantom(blobs: tuple[Blob, ...] = (), *, seed: int = 7) -> NDArray[np.uint8]:
    """Draw an axial slice at the height of the heart, in a lung window.

    Asymmetric like a chest: the heart lies to the right of the picture, so a mirrored result is seen.

    Returns
    -------
    (512, 512) uint8; the same arguments give the same pixels.
    """
    rng = np.random.default_rng(seed)
    picture: FloatImage = np.full((SIZE, SIZE), 18.0, np.float32)
    body = _ellipse((256, 268), (226, 158))
    picture += body * 180.0
    lungs = np.clip(_ellipse((150, 270), (84, 116)) + _ellipse((362, 272), (82, 114)), 0.0, 1.0)
    lungs *= 1.0 - _ellipse((292, 240), (74, 66), tilt=-30)
    lungs *= 1.0 - _ellipse((256, 360), (40, 52))
    picture -= lungs * 138.0
    _draw_bones(picture)
    picture += _vessels(rng) * lungs * 120.0
    picture += _opacities(blobs, rng) * lungs
    texture = _noise(rng, grain_px=1.2)
    picture = _blur(picture, 0.9) + 16.0 * texture * (0.3 + 0.7 * body)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def phantom_png(name: str, *, seed: int = 7) -> bytes:
    """Return the example phantom of that name in EXAMPLES as PNG, 8-bit gray; another seed, other vessels and noise."""
    return encode_png(draw_phantom(EXAMPLES[name], seed=seed))


def _ellipse(centre: tuple[int, int], axes: tuple[int, int], *, tilt: float = 0.0) -> FloatImage:
    """Return (512, 512) float32, 1.0 inside an ellipse with a soft edge; centre and axes are (x, y)."""
    canvas = np.zeros((SIZE, SIZE), np.float32)
    cv2.ellipse(canvas, centre, axes, tilt, 0, 360, 1.0, cv2.FILLED)
    return _blur(canvas, 1.5)


def _draw_bones(picture: FloatImage) -> None:
    """Draw vertebra, sternum and ribs into the body wall."""
    cv2.ellipse(picture, (256, 366), (26, 22), 0, 0, 360, 250, cv2.FILLED)
    cv2.ellipse(picture, (256, 398), (9, 16), 0, 0, 360, 245, cv2.FILLED)
    cv2.ellipse(picture, (256, 124), (24, 7), 0, 0, 360, 240, cv2.FILLED)
    for degrees in range(0, 360, 24):
        angle = np.deg2rad(degrees + 11)
        centre = (round(256 + 206 * float(np.cos(angle))), round(270 + 138 * float(np.sin(angle))))
        cv2.ellipse(picture, centre, (15, 6), degrees + 101, 0, 360, 240, cv2.FILLED)


def _vessels(rng: np.random.Generator) -> FloatImage:
    """Return (512, 512) float32 in 0 ... 1: branches that leave both hila and thin out towards the chest wall."""
    canvas = np.zeros((SIZE, SIZE), np.float32)
    for hilum, side in (((214, 262), -1.0), ((330, 284), 1.0)):
        for angle in np.linspace(-1.5, 1.5, 11):
            start = np.array(hilum, np.float64)
            _draw_branch(canvas, start, angle=angle + float(rng.normal(0.0, 0.1)), side=side, rng=rng)
    return _blur(canvas, 0.8)


def _draw_branch(
    canvas: FloatImage, start: NDArray[np.float64], *, angle: float, side: float, rng: np.random.Generator
) -> None:
    point = start
    for step in range(11):
        angle += float(rng.normal(0.0, 0.3))
        end = point + 12.0 * np.array([side * np.cos(angle), np.sin(angle)])
        thickness = max(1, 3 - step // 3)
        brightness = 1.0 - 0.05 * step
        ends = [(round(float(x)), round(float(y))) for x, y in (point, end)]
        cv2.line(canvas, ends[0], ends[1], brightness, thickness, cv2.LINE_AA)
        point = end


def _opacities(blobs: tuple[Blob, ...], rng: np.random.Generator) -> FloatImage:
    """Return (512, 512) float32 gray values to add: hazy blobs with a cloudy edge and texture."""
    cloud = _noise(rng, grain_px=7.0)
    cloud /= np.abs(cloud).max()
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    total = np.zeros((SIZE, SIZE), np.float32)
    for blob in blobs:
        distance = np.hypot(columns - blob.x, rows - blob.y) / blob.radius + 0.7 * cloud
        haze = np.clip(1.6 - 1.6 * distance, 0.0, 1.0)
        total = np.maximum(total, 120.0 * blob.density * haze * (1.0 + 0.4 * cloud))
    return total


def _noise(rng: np.random.Generator, *, grain_px: float) -> FloatImage:
    return _blur(rng.standard_normal((SIZE, SIZE), dtype=np.float32), grain_px)


def _blur(image: FloatImage, sigma_px: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)
