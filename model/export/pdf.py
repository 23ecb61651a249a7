"""A volume that was read -> a report of one page, as PDF."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.decode.ct import CtVolume
from model.export.lines import lines, sides, size, spacing
from model.export.montage import key_slices, slice_overlay
from model.export.sheet import INK, LEFT, PALE, WIDTH, as_pdf, draw_foot, draw_head, draw_legend, draw_table, new_sheet
from model.volume.rows import SliceRow
from model.volume.segment import VolumeSegmentation

_BARS = "#b8860b"

_LEAST_BAR = 0.02
"""Of the highest: what a slice with any lesion has in the chart, so that it is seen."""


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
    figure = new_sheet()
    told = f"{size(volume.shape)}, {spacing(volume)}"
    draw_head(figure, told, name=name, patient=patient, made=made)
    _pictures(figure, segmentation, volume)
    draw_legend(figure, segmentation.measured.findings.threshold, y=0.455, beside=sides(volume.sides_known))
    draw_table(figure, lines(segmentation.measured.findings), top=0.42)
    _chart(figure, segmentation.measured.rows)
    _foot(figure, segmentation)
    return as_pdf(figure)


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
        axes.set_title(f"slice {row.number} of {findings.slice_count}", fontsize=8, color=PALE, pad=2)
        if volume.sides_known:
            _mark_sides(axes)


def _mark_sides(axes: Axes) -> None:
    on_dark = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.0}
    for letter, x, side in (("R", 0.02, "left"), ("L", 0.98, "right")):
        axes.text(
            x, 0.5, letter, ha=side, va="center", fontsize=8, color="white", transform=axes.transAxes, bbox=on_dark
        )


def _chart(figure: Figure, rows: Sequence[SliceRow]) -> None:
    axes = figure.add_axes((LEFT, 0.168, WIDTH, 0.088))
    areas_mm2 = [row.findings.lesion_area_mm2 for row in rows]
    known = any(area is not None for area in areas_mm2)
    heights = [(area or 0.0) / 100.0 for area in areas_mm2] if known else [row.findings.lesion_area_px for row in rows]
    least = _LEAST_BAR * max(heights)
    axes.bar([row.number for row in rows], [max(height, least) if height else 0 for height in heights], color=_BARS)
    shown = [row.number for row in key_slices(rows)]
    axes.plot(
        shown, [1.06] * len(shown), "v", color=INK, markersize=4, transform=axes.get_xaxis_transform(), clip_on=False
    )
    axes.set_xlim(0.5, len(rows) + 0.5)
    axes.set_ylim(0.0, max(heights) * 1.02 or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("slice, from the feet to the head; ▼ pictured above", fontsize=8, color=PALE)
    axes.set_ylabel("lesion, cm²" if known else "lesion, pixels", fontsize=8, color=PALE)
    axes.tick_params(labelsize=7, colors=PALE)
    axes.spines[["top", "right"]].set_visible(False)


def _foot(figure: Figure, segmentation: VolumeSegmentation) -> None:
    model, findings = segmentation.model, segmentation.measured.findings
    looks = ", mean of four looks" if segmentation.quality else ""
    told = [
        f"Model {model.model_id}, SHA-256 {model.sha256}",
        f"Threshold {findings.threshold:g}{looks}. Severity by the {findings.severity_scale}.",
    ]
    draw_foot(figure, told, segmentation.notes)
