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
    A4_INCHES,
    CAUTION,
    INK,
    LEFT,
    PALE,
    WIDTH,
    as_pdf,
    draw_foot,
    draw_head,
    draw_legend,
    draw_table,
    new_sheet,
    wrapped,
)
from model.overlay import DEFAULT_STYLE, RgbImage, Style
from model.recognise.judge import Recognition
from model.warning import stamped

_MOST_PX = 1024
"""Longer side of a picture on the sheet: more is not seen."""


_MOST_HIGH = 0.3
"""Of the sheet: what a picture has of its height."""

_DPI = 200.0
"""Of the pictures, which are half as wide as the sheet."""


@dataclass(frozen=True)
class SliceReport:
    """What a report tells of a slice, as people read it.

    sentence : what was found. rows : name and value of each figure. recognition : what the slice looks like, for
    what makes all of it doubtful; None where nobody asked. notes : what else is to be known.
    """

    sentence: str
    rows: Sequence[tuple[str, str]]
    threshold: float
    model_id: str
    sha256: str
    quality: bool = False
    recognition: Recognition | None = None
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
    bottom = _draw_pictures(figure, gray, coloured, report, top=_draw_finding(figure, report, top=0.868))
    draw_legend(figure, report.threshold, y=bottom - 0.04, colours=style.colours)
    draw_table(figure, report.rows, top=bottom - 0.085)
    looks = ", mean of four looks" if report.quality else ""
    told = [f"Model {report.model_id}, SHA-256 {report.sha256}", f"Threshold {report.threshold:g}{looks}."]
    draw_foot(figure, told, report.notes, more_in=f"the {JSON} of this result")
    return as_pdf(figure, dpi=_DPI)


def _draw_finding(figure: Figure, report: SliceReport, *, top: float) -> float:
    """Write what was found, and before it what makes it doubtful; return the height below."""
    warning = report.recognition.sentence if report.recognition else ""
    for line in wrapped(warning, 12.0, weight="bold"):
        figure.text(LEFT, top - 0.004, line, fontsize=12, weight="bold", color=CAUTION)
        top -= 0.019
    weight = "normal" if warning else "bold"
    figure.text(LEFT, top - 0.004, report.sentence, fontsize=12, weight=weight, color=INK)
    return top - 0.045


def _draw_pictures(
    figure: Figure, gray: NDArray[np.uint8], coloured: RgbImage, report: SliceReport, *, top: float
) -> float:
    """Draw slice and overlay beside each other, as large as there is room; return the height of their lower edge."""
    width = (WIDTH - 0.01) / 2
    rows, columns = gray.shape
    height = float(min(_MOST_HIGH, width * A4_INCHES[0] / A4_INCHES[1] * rows / columns))
    drawn = ("original", _reduced(gray)), ("heat map and outline", stamped(_reduced(coloured), report.recognition))
    for column, (title, picture) in enumerate(drawn):
        axes = figure.add_axes((LEFT + 0.435 * column, top - height, width, height))
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
        axes.set_title(title, fontsize=8, color=PALE, pad=2)
    return top - height


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture no larger than is seen on the sheet."""
    scale = _MOST_PX / max(picture.shape[:2])
    if scale >= 1.0:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
