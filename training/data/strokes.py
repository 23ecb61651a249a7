"""What people draw upon the pictures they send: lines, arrows, frames, letters. Gray values change, masks do not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

ByteImage = NDArray[np.uint8]

STROKE_KINDS = ("line", "arrow", "frame", "letters")


@dataclass(frozen=True)
class Stroke:
    """A line, arrow, frame or letters burnt into the picture; coordinates are shares of width and height."""

    kind: str
    start: tuple[float, float]
    end: tuple[float, float]
    gray: int
    thickness: int


def random_strokes(rng: np.random.Generator) -> tuple[Stroke, ...]:
    """Draw one to four strokes from `rng`."""
    return tuple(_random_stroke(rng) for _ in range(int(rng.integers(1, 5))))


def _random_stroke(rng: np.random.Generator) -> Stroke:
    start = rng.uniform(0.02, 0.98, 2)
    end = np.clip(start + rng.normal(0.0, 0.1, 2), 0.0, 1.0)
    return Stroke(
        kind=STROKE_KINDS[int(rng.integers(len(STROKE_KINDS)))],
        start=(float(start[0]), float(start[1])),
        end=(float(end[0]), float(end[1])),
        gray=int(rng.choice([0, 76, 150, 226, 255])),
        thickness=int(rng.integers(1, 4)),
    )


def draw_strokes(image: ByteImage, strokes: tuple[Stroke, ...]) -> ByteImage:
    """Burn strokes into a copy of (H, W) uint8."""
    canvas = image.copy()
    for stroke in strokes:
        _draw_one(canvas, stroke)
    return canvas


def _draw_one(canvas: ByteImage, stroke: Stroke) -> None:
    height, width = canvas.shape
    start = (round(stroke.start[0] * (width - 1)), round(stroke.start[1] * (height - 1)))
    end = (round(stroke.end[0] * (width - 1)), round(stroke.end[1] * (height - 1)))
    if stroke.kind == "line":
        cv2.line(canvas, start, end, stroke.gray, stroke.thickness, cv2.LINE_AA)
    elif stroke.kind == "arrow":
        cv2.arrowedLine(canvas, start, end, stroke.gray, stroke.thickness, cv2.LINE_AA, tipLength=0.4)
    elif stroke.kind == "frame":
        cv2.rectangle(canvas, start, end, stroke.gray, stroke.thickness, cv2.LINE_AA)
    else:
        letters = chr(ord("A") + stroke.gray % 26) + str(stroke.thickness)
        size = 0.3 + 0.3 * stroke.thickness
        cv2.putText(canvas, letters, start, cv2.FONT_HERSHEY_SIMPLEX, size, stroke.gray, 2, cv2.LINE_AA)
