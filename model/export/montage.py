"""The slices with the most lesion, side by side in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.decode.ct import CtVolume
from model.export.lines import sides
from model.overlay import LIGHT, draw_scale, mark_sides, overlay, rendered
from model.png import encode_png
from model.preprocess import square_shape
from model.recognise.judge import Recognition
from model.volume.files import SliceFiles
from model.volume.rows import SliceRow
from model.warning import label_rows, warned

COLUMNS = 3
CELL_PX = 360
MOST = 6
LEGEND_PX = 64

RgbImage = NDArray[np.uint8]


def key_slices(rows: Sequence[SliceRow], most: int = MOST) -> list[SliceRow]:
    """Return the slices with the largest lesion area, at most so many, from the feet to the head.

    Neighbours show nearly the same, so the volume is cut into as many parts and the worst slice of each is taken; of a
    volume without lesion, the middle of each part.
    """
    parts = np.array_split(np.arange(len(rows)), min(most, len(rows)))
    chosen = []
    for part in parts:
        worst = max(part, key=lambda index: rows[index].findings.lesion_area_px)
        chosen.append(rows[worst] if rows[worst].findings.lesion_area_px else rows[part[len(part) // 2]])
    return chosen


def montage_png(
    files: SliceFiles,
    rows: Sequence[SliceRow],
    *,
    threshold: float,
    volume: CtVolume,
    recognition: Recognition | None = None,
) -> bytes:
    """Return the overlays of the key slices as one PNG, RGB, three beside each other, each with its number.

    Below them stands a legend. Where the patient's sides are known, each slice has an R and an L at its edges.

    volume : for its sides, and the proportions of its pixels.
    recognition : what it looks like; of something refused, the warning stands above the slices.
    """
    chosen = key_slices(rows)
    cells = [_cell(files, row, threshold, volume) for row in chosen]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % COLUMNS)
    lines = [np.hstack(cells[start : start + COLUMNS]) for start in range(0, len(cells), COLUMNS)]
    image = np.vstack([*lines, _legend(threshold, sides_known=volume.sides_known)])
    above = np.zeros((label_rows(image.shape, recognition), COLUMNS * CELL_PX, 3), np.uint8)
    image = np.vstack([above, image])
    return warned(encode_png(image), recognition)


def slice_overlay(files: SliceFiles, number: int, threshold: float) -> RgbImage:
    """Return the overlay of a slice, counted from 0 as its files are, without colour bar: (H, W, 3) uint8, RGB."""
    return overlay(files.gray(number), files.probability(number), threshold=threshold, bar=False)


def slice_overlay_png(
    files: SliceFiles,
    number: int,
    threshold: float,
    *,
    sides_known: bool = False,
    recognition: Recognition | None = None,
) -> bytes:
    """Return the overlay of a slice, counted from 0, as PNG, RGB, to be looked at alone.

    It has a colour bar, R and L where the patient's sides are known, and what is to be known of what it looks like.
    """
    gray = files.gray(number)
    top = label_rows(gray.shape, recognition)
    image = overlay(gray, files.probability(number), threshold=threshold, top=top)
    if sides_known:
        mark_sides(image)
    return warned(encode_png(image), recognition)


def _cell(files: SliceFiles, row: SliceRow, threshold: float, volume: CtVolume) -> RgbImage:
    """Return (CELL_PX, CELL_PX, 3): a slice in the patient's proportions, centred on black."""
    picture = slice_overlay(files, row.number - 1, threshold)
    height, width = square_shape((picture.shape[0], picture.shape[1]), volume.spacing_mm)
    scale = CELL_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR)
    cell = np.zeros((CELL_PX, CELL_PX, 3), np.uint8)
    top, left = (CELL_PX - fitted.shape[0]) // 2, (CELL_PX - fitted.shape[1]) // 2
    cell[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    # On black, so that it shows on bone and bright tissue too.
    cv2.rectangle(cell, (0, 0), (96, 28), (0, 0, 0), cv2.FILLED)
    cv2.putText(cell, f"slice {row.number}", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (232, 232, 230), 1, cv2.LINE_AA)
    if volume.sides_known:
        mark_sides(cell)
    return cell


def _legend(threshold: float, *, sides_known: bool) -> RgbImage:
    """Return (LEGEND_PX, COLUMNS * CELL_PX, 3): what the colours and letters mean."""
    dpi = 100
    figure = Figure(figsize=(COLUMNS * CELL_PX / dpi, LEGEND_PX / dpi), dpi=dpi, facecolor="black")
    figure.text(0.01, 0.4, "probability of lesion", fontsize=9, color=LIGHT, va="center")
    figure.text(0.99, 0.4, sides(sides_known), fontsize=9, color=LIGHT, va="center", ha="right")
    draw_scale(figure.add_axes((1 / 3, 0.3, 1 / 3, 0.25)), threshold, ink=LIGHT, size=9)
    return np.ascontiguousarray(rendered(figure)[..., :3])
