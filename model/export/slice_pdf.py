"""A slice that was read -> a report of one page, as PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.export.names import JSON
from model.export.sheet import (
    CAUTION,
    INK,
    LEFT,
    PALE,
    WIDTH,
    as_pdf,
    draw_foot,
    draw_head,
    draw_table,
    new_sheet,
    wrapped,
)
from model.overlay import DEFAULT_STYLE, RgbImage, Style, draw_scale

_MOST_PX = 1024
"""Longer side of a picture on the sheet: more is not seen."""


_DPI = 200.0
"""Of the pictures, which are half as wide as the sheet."""


@dataclass(frozen=True)
class SliceReport:
    """What a report tells of a slice, as people read it.

    sentence : what was found. rows : name and value of each figure. warning : what makes all of it doubtful, if
    anything does. notes : what else is to be known.
    """

    sentence: str
    rows: Sequence[tuple[str, str]]
    threshold: float
    model_id: str
    sha256: str
    quality: bool = False
    warning: str = ""
    notes: Sequence[str] = ()


def slice_report_pdf(
    gray: NDArray[np.uint8],
    coloured: RgbImage,
    report: SliceReport,
    *,
    style: Style = DEFAULT_STYLE,
    made: str = "",
) -> bytes:
    """Return the report: slice and overlay, what was found, figures, model, notes, and that it is research only.

    Parameters
    ----------
    gray : (H, W) uint8, the slice as it was read.
    coloured : (H, W, 3) uint8, RGB, its overlay without colour bar, drawn in `style`.
    made : which result it is of and when it was read, see `model.export.pdf.made_on`.
    """
    figure = new_sheet()
    height, width = gray.shape
    draw_head(
        figure, f"{height} rows × {width} columns; a picture, not Hounsfield units: areas in pixels only", made=made
    )
    top = 0.868
    for line in wrapped(report.warning, 10.0):
        figure.text(LEFT, top, line, fontsize=10, color=CAUTION)
        top -= 0.016
    figure.text(LEFT, top - 0.004, report.sentence, fontsize=12, weight="bold", color=INK)
    for column, (title, picture) in enumerate((("original", gray), ("heat map and outline", coloured))):
        _draw_picture(figure, picture, title, left=LEFT + 0.435 * column, bottom=top - 0.345)
    figure.text(LEFT, top - 0.385, "probability of lesion", fontsize=8, color=PALE)
    scale = figure.add_axes((0.36, top - 0.3865, 0.28, 0.009))
    draw_scale(scale, report.threshold, ink=INK, size=8, colours=style.colours)
    draw_table(figure, report.rows, top=top - 0.43)
    looks = ", mean of four looks" if report.quality else ""
    told = [f"Model {report.model_id}, SHA-256 {report.sha256}", f"Threshold {report.threshold:g}{looks}."]
    draw_foot(figure, told, report.notes, more_in=f"the {JSON} of this result")
    return as_pdf(figure, dpi=_DPI)


def _draw_picture(figure: Figure, picture: NDArray[np.uint8], title: str, *, left: float, bottom: float) -> None:
    axes = figure.add_axes((left, bottom, (WIDTH - 0.01) / 2, 0.3))
    axes.imshow(_reduced(picture), cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, color=PALE, pad=2)


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture no larger than is seen on the sheet."""
    scale = _MOST_PX / max(picture.shape[:2])
    if scale >= 1.0:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
