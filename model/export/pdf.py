"""A volume that was read -> a report of one page, as PDF."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Sequence
from datetime import UTC, date, datetime

from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from model.decode.ct import CtVolume
from model.export.lines import lines, sides, size, spacing
from model.export.montage import key_slices, slice_overlay
from model.export.names import JSON, NOTICE
from model.overlay import draw_scale
from model.volume.findings import VolumeFindings
from model.volume.rows import SliceRow
from model.volume.segment import VolumeSegmentation

A4_INCHES = (8.27, 11.69)
LEFT, WIDTH = 0.07, 0.86
_INK, _PALE, _BARS = "#1f2225", "#5c6268", "#b8860b"

_LEAST_BAR = 0.02
"""Of the highest: what a slice with any lesion has in the chart, so that it is seen."""

FOOT_TOP, FOOT_STEP, FOOT_LINES, FOOT_POINTS = 0.118, 0.0105, 10, 6.5


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


def made_on(day: date, result: str = "") -> str:
    """Return by what a report is told from others, for `report_pdf`.

    day : when the volume was read, in UTC. result : the beginning of its result's id, where it has one.

    >>> made_on(date(2026, 11, 22)), made_on(date(2026, 11, 22), "f7cef4")
    ('Read on 2026-11-22', 'Result f7cef4, read on 2026-11-22')
    """
    told = f"read on {day.isoformat()}"
    return f"Result {result}, {told}" if result else told.capitalize()


def report_pdf(
    segmentation: VolumeSegmentation, volume: CtVolume, *, name: str = "", patient: str = "", made: str = ""
) -> bytes:
    """Return the report: key slices, table, chart of lesion area by slice, model, notes, and that it is research only.

    Parameters
    ----------
    volume : what was read, for its size, spacing and sides.
    name : what the file or series is called; nothing is printed where it is empty.
    patient : what is printed as the patient's name; usually empty, since a report travels further than a scan.
    made : which result it is of and when it was read, see `made_on`; nothing is printed where it is empty.
    """
    figure = Figure(figsize=A4_INCHES)
    FigureCanvasPdf(figure)
    stream = io.BytesIO()
    # A date of creation would make every report differ; nothing else is told of the machine.
    metadata = {"Title": "Groundglass report", "Creator": "Groundglass", "CreationDate": None, "Producer": None}
    with PdfPages(stream, metadata=metadata) as pages, warnings.catch_warnings():
        # Names and notes may be in a script that the font lacks: boxes stand for it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        _head(figure, volume, name, patient)
        figure.text(LEFT + WIDTH, 0.896, made, fontsize=9, color=_PALE, ha="right")
        _pictures(figure, segmentation, volume)
        _legend(figure, segmentation.measured.findings.threshold, sides_known=volume.sides_known)
        _table(figure, segmentation.measured.findings)
        _chart(figure, segmentation.measured.rows)
        _foot(figure, segmentation)
        pages.savefig(figure)
    return stream.getvalue()


def _head(figure: Figure, volume: CtVolume, name: str, patient: str) -> None:
    figure.text(LEFT, 0.958, "Groundglass: lesions in chest CT", fontsize=16, weight="bold", color=_INK)
    figure.text(LEFT, 0.943, NOTICE, fontsize=9, color=_PALE)
    # Dollar signs would be read as formulas.
    if patient:
        figure.text(LEFT + WIDTH, 0.958, patient, fontsize=10, ha="right", color=_INK, parse_math=False)
    for place, line in enumerate(reversed(wrapped(name, 10.0)[:2])):
        figure.text(LEFT, 0.911 + 0.015 * place, line, fontsize=10, color=_INK, parse_math=False)
    figure.text(LEFT, 0.896, f"{size(volume.shape)}, {spacing(volume)}", fontsize=9, color=_PALE)


def _pictures(figure: Figure, segmentation: VolumeSegmentation, volume: CtVolume) -> None:
    findings = segmentation.measured.findings
    pixel_height, pixel_width = volume.spacing_mm or (1.0, 1.0)
    for place, row in enumerate(key_slices(segmentation.measured.rows)):
        column, line = place % 3, place // 3
        axes = figure.add_axes((LEFT + 0.29 * column, 0.685 - 0.207 * line, 0.28, 0.19))
        axes.imshow(
            slice_overlay(segmentation.files, row.number - 1, findings.threshold), aspect=pixel_height / pixel_width
        )
        axes.set_axis_off()
        axes.set_title(f"slice {row.number} of {findings.slice_count}", fontsize=8, color=_PALE, pad=2)
        if volume.sides_known:
            _mark_sides(axes)


def _mark_sides(axes: Axes) -> None:
    on_dark = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.0}
    for letter, x, side in (("R", 0.02, "left"), ("L", 0.98, "right")):
        axes.text(
            x, 0.5, letter, ha=side, va="center", fontsize=8, color="white", transform=axes.transAxes, bbox=on_dark
        )


def _legend(figure: Figure, threshold: float, *, sides_known: bool) -> None:
    figure.text(LEFT, 0.455, "probability of lesion", fontsize=8, color=_PALE)
    draw_scale(figure.add_axes((0.36, 0.4535, 0.28, 0.009)), threshold, ink=_INK, size=8)
    figure.text(LEFT + WIDTH, 0.455, sides(sides_known), fontsize=8, color=_PALE, ha="right")


def _table(figure: Figure, findings: VolumeFindings) -> None:
    for place, (name, value) in enumerate(lines(findings)):
        y = 0.42 - 0.0155 * place
        figure.text(LEFT, y, name, fontsize=9, color=_PALE)
        figure.text(0.36, y, value, fontsize=9, color=_INK)


def _chart(figure: Figure, rows: Sequence[SliceRow]) -> None:
    axes = figure.add_axes((LEFT, 0.168, WIDTH, 0.088))
    areas_mm2 = [row.findings.lesion_area_mm2 for row in rows]
    known = any(area is not None for area in areas_mm2)
    heights = [(area or 0.0) / 100.0 for area in areas_mm2] if known else [row.findings.lesion_area_px for row in rows]
    least = _LEAST_BAR * max(heights)
    axes.bar([row.number for row in rows], [max(height, least) if height else 0 for height in heights], color=_BARS)
    shown = [row.number for row in key_slices(rows)]
    axes.plot(
        shown, [1.06] * len(shown), "v", color=_INK, markersize=4, transform=axes.get_xaxis_transform(), clip_on=False
    )
    axes.set_xlim(0.5, len(rows) + 0.5)
    axes.set_ylim(0.0, max(heights) * 1.02 or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("slice, from the feet to the head; ▼ pictured above", fontsize=8, color=_PALE)
    axes.set_ylabel("lesion, cm²" if known else "lesion, pixels", fontsize=8, color=_PALE)
    axes.tick_params(labelsize=7, colors=_PALE)
    axes.spines[["top", "right"]].set_visible(False)


def _foot(figure: Figure, segmentation: VolumeSegmentation) -> None:
    model, findings = segmentation.model, segmentation.measured.findings
    looks = ", mean of four looks" if segmentation.quality else ""
    told = [
        f"Model {model.model_id}, SHA-256 {model.sha256}",
        f"Threshold {findings.threshold:g}{looks}. Severity by the {findings.severity_scale}.",
    ]
    for place, line in enumerate(_fitted(told, segmentation.notes)):
        y = FOOT_TOP - FOOT_STEP * place
        figure.text(LEFT, y, line, fontsize=FOOT_POINTS, color=_PALE, parse_math=False)


def _fitted(told: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Return the lines of the foot: what must be told, and as many whole notes as there is room for."""
    kept = [line for sentence in told for line in wrapped(sentence, FOOT_POINTS)]
    for place, note in enumerate(notes):
        added = wrapped(note, FOOT_POINTS)
        left = len(notes) - place
        # The last note may have the line that tells of more.
        if len(kept) + len(added) > FOOT_LINES - (left > 1):
            return [*kept, f"And {left} more {'note' if left == 1 else 'notes'}, see {JSON}."]
        kept += added
    return kept


def wrapped(sentence: str, points: float) -> list[str]:
    """Return a sentence as lines that fit on the page; points is the size of the letters."""
    room = WIDTH * A4_INCHES[0] * 72.0
    letters = int(room / (0.45 * points))
    while letters > 1:
        found = textwrap.wrap(sentence, letters)
        if all(_width(line, points) <= room for line in found):
            return found
        letters = int(0.97 * letters)
    return textwrap.wrap(sentence, 1)


def _width(line: str, points: float) -> float:
    font = FontProperties(size=points)
    return float(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0])
