"""A volume that was read -> a report of one page, as PDF."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.figure import Figure

from model.export.lines import lines
from model.export.montage import key_slices, slice_overlay
from model.export.names import NOTICE
from model.volume.findings import SliceRow, VolumeFindings
from model.volume.segment import VolumeSegmentation

A4_INCHES = (8.27, 11.69)
_INK, _PALE, _BARS = "#1f2225", "#5c6268", "#b8860b"
_LONGEST_NOTES = 6


def report_pdf(segmentation: VolumeSegmentation, *, patient: str = "") -> bytes:
    """Return the report: key slices, table, chart of lesion area by slice, model, notes, and that it is research only.

    Parameters
    ----------
    patient : what is printed as the patient's name; usually empty, since a report travels further than a scan.
    """
    figure = Figure(figsize=A4_INCHES)
    FigureCanvasPdf(figure)
    _head(figure, patient)
    _pictures(figure, segmentation)
    _table(figure, segmentation.measured.findings)
    _chart(figure, segmentation.measured.rows)
    _foot(figure, segmentation)
    stream = io.BytesIO()
    # A date of creation would make every report differ; nothing else is told of the machine.
    metadata = {"Title": "Groundglass report", "Creator": "Groundglass", "CreationDate": None, "Producer": None}
    with PdfPages(stream, metadata=metadata) as pages, warnings.catch_warnings():
        # Names and notes may be in a script that the font lacks: boxes stand for it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        pages.savefig(figure)
    return stream.getvalue()


def _head(figure: Figure, patient: str) -> None:
    figure.text(0.07, 0.955, "Groundglass: lesions in chest CT", fontsize=16, weight="bold", color=_INK)
    figure.text(0.07, 0.937, NOTICE, fontsize=9, color=_PALE)
    if patient:
        # Dollar signs would be read as formulas.
        figure.text(0.93, 0.955, patient, fontsize=10, ha="right", color=_INK, parse_math=False)


def _pictures(figure: Figure, segmentation: VolumeSegmentation) -> None:
    findings = segmentation.measured.findings
    for place, row in enumerate(key_slices(segmentation.measured.rows)):
        column, line = place % 3, place // 3
        axes = figure.add_axes((0.07 + 0.29 * column, 0.72 - 0.215 * line, 0.28, 0.198))
        axes.imshow(slice_overlay(segmentation.files, row.number - 1, findings.threshold))
        axes.set_axis_off()
        axes.set_title(f"slice {row.number} of {findings.slice_count}", fontsize=8, color=_PALE, pad=2)


def _table(figure: Figure, findings: VolumeFindings) -> None:
    for place, (name, value) in enumerate(lines(findings)):
        y = 0.465 - 0.0165 * place
        figure.text(0.07, y, name, fontsize=9, color=_PALE)
        figure.text(0.40, y, value, fontsize=9, color=_INK)


def _chart(figure: Figure, rows: Sequence[SliceRow]) -> None:
    axes = figure.add_axes((0.07, 0.155, 0.86, 0.115))
    areas_mm2 = [row.findings.lesion_area_mm2 for row in rows]
    known = all(area is not None for area in areas_mm2)
    heights = [(area or 0.0) / 100.0 for area in areas_mm2] if known else [row.findings.lesion_area_px for row in rows]
    axes.bar([row.number for row in rows], heights, width=0.9, color=_BARS)
    axes.set_xlim(0.5, len(rows) + 0.5)
    axes.set_xlabel("slice, from the feet to the head", fontsize=8, color=_PALE)
    axes.set_ylabel("lesion, cm²" if known else "lesion, pixels", fontsize=8, color=_PALE)
    axes.tick_params(labelsize=7, colors=_PALE)
    axes.spines[["top", "right"]].set_visible(False)


def _foot(figure: Figure, segmentation: VolumeSegmentation) -> None:
    model, findings = segmentation.model, segmentation.measured.findings
    looks = ", mean of four looks" if segmentation.quality else ""
    told = [f"Model {model.model_id}, SHA-256 {model.sha256}", f"Threshold {findings.threshold:g}{looks}."]
    told += [f"Severity by {findings.severity_scale}.", *segmentation.notes[:_LONGEST_NOTES]]
    for place, sentence in enumerate(told):
        shown = sentence if len(sentence) <= 150 else sentence[:149] + "…"
        figure.text(0.07, 0.103 - 0.011 * place, shown, fontsize=6.5, color=_PALE, parse_math=False)
