from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray

from model.export.sheet import draw_head, new_sheet
from model.export.slice_pdf import SliceReport, slice_report_pdf
from model.overlay import Style
from model.recognise.judge import Recognition
from tests.export.test_pdf import picture_of, words_of

GRAY = np.full((60, 90), 128, np.uint8)
COLOURED = np.repeat(GRAY[..., np.newaxis], 3, axis=2)
REPORT = SliceReport(
    "Lesions cover 12.4 % of the visible lung in 9 places.",
    [("Lesion area", "1,204 px"), ("How sure", "not asked")],
    0.3,
    "tested-1",
    "ab" * 32,
)


REFUSED = Recognition("head CT", True, "This does not look like a chest CT; it looks more like a head CT.")
TURNED = Recognition("upside down", False, "This looks like a chest CT that is upside down.")
AMBER, INK_RGB = (138, 90, 0), (31, 34, 37)


def near(page: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray(np.all(np.abs(page.astype(int) - colour) < 24, axis=-1))


def report_of(folder: Path, report: SliceReport = REPORT, *, made: str = "") -> str:
    return words_of(slice_report_pdf(GRAY, COLOURED, report, made=made), folder)


def test_it_is_one_page_and_the_same_for_the_same_slice() -> None:
    pdf = slice_report_pdf(GRAY, COLOURED, REPORT)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    assert pdf == slice_report_pdf(GRAY, COLOURED, REPORT)


def test_it_says_what_was_found_and_by_what(tmp_path: Path) -> None:
    words = report_of(tmp_path, made="Result f7cef4, read on 2026-11-22")
    for told in (
        "Lesions cover 12.4 % of the visible lung in 9 places.",
        "60 rows × 90 columns; a picture, not Hounsfield units: areas in pixels only",
        "Result f7cef4, read on 2026-11-22",
        "original heat map and outline",
        "probability of lesion",
        "threshold 0.3",
        "Lesion area 1,204 px",
        "How sure not asked",
        "Model tested-1, SHA-256 " + "ab" * 32,
        "Threshold 0.3.",
        "For research only. Groundglass is not a medical device.",
    ):
        assert told in words


def test_it_gives_warning_and_notes(tmp_path: Path) -> None:
    warning = REFUSED.sentence
    report = replace(REPORT, recognition=REFUSED, notes=["The first note.", "Left out: “$\\frac{” (1)."], quality=True)
    words = report_of(tmp_path, report)
    assert words.index(warning) < words.index("Lesions cover")
    assert "Threshold 0.3, mean of four looks. The first note. Left out:" in words


def test_a_warning_outweighs_the_finding(tmp_path: Path) -> None:
    plain, doubtful = (
        picture_of(slice_report_pdf(GRAY, COLOURED, replace(REPORT, recognition=told)), tmp_path)
        for told in (None, TURNED)
    )
    # Between the line that tells the size and the titles of the pictures.
    warning = near(doubtful, AMBER)[250:320].sum() / len(TURNED.sentence)
    in_bold, beside_warning = (near(page, INK_RGB)[250:365].sum() / len(REPORT.sentence) for page in (plain, doubtful))
    assert near(plain, AMBER)[250:365].sum() == 0
    assert beside_warning < 0.8 * in_bold
    assert beside_warning < 0.8 * warning


@pytest.mark.parametrize(("recognition", "is_stamped"), [(None, False), (TURNED, False), (REFUSED, True)])
def test_a_refusal_is_written_into_the_overlay(
    recognition: Recognition | None, is_stamped: bool, tmp_path: Path
) -> None:
    gray = np.full((512, 512), 128, np.uint8)
    coloured = np.repeat(gray[..., np.newaxis], 3, axis=2)
    page = picture_of(slice_report_pdf(gray, coloured, replace(REPORT, recognition=recognition)), tmp_path)
    amber = near(page, (240, 180, 41))
    assert bool(amber.sum() > 500) is is_stamped
    # The original is as it was read.
    assert amber[:, : page.shape[1] // 2].sum() == 0


def test_nothing_in_the_head_runs_into_another(tmp_path: Path) -> None:
    figure = new_sheet()
    told = "20000 rows × 20000 columns; a picture, not Hounsfield units: areas in pixels only"
    draw_head(figure, told, name=60 * "name ", made="Result 34c16b, read on 2026-11-22")
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]  # Matplotlib's own.
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    assert len(boxes) == 6
    assert [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)] == []
    assert all(0 < box.x0 and box.x1 < figure.bbox.x1 for box in boxes)


def test_below_a_flat_picture_there_is_no_gap(tmp_path: Path) -> None:
    square, flat = (
        slice_report_pdf(np.full(shape, 128, np.uint8), np.full((*shape, 3), 128, np.uint8), REPORT)
        for shape in ((512, 512), (64, 512))
    )
    ends, tables = [], []
    for pdf in (square, flat):
        page = picture_of(pdf, tmp_path)
        rows = np.flatnonzero(near(page, (128, 128, 128)).sum(axis=1) > 1000)
        ends.append((int(rows[0]), int(rows[-1])))
        # The legend is the only thing that is yellow.
        tables.append(int(np.flatnonzero(near(page, (253, 231, 37)).any(axis=1))[0]))
    assert abs(ends[0][0] - ends[1][0]) <= 2
    gaps = [table - last for table, (_, last) in zip(tables, ends, strict=True)]
    assert abs(gaps[0] - gaps[1]) <= 2


def test_notes_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    words = report_of(tmp_path, replace(REPORT, notes=[f"Note {number}." for number in range(30)]))
    assert words.endswith("more notes, see the measurements.json of this result.")


@pytest.mark.parametrize("shape", [(3000, 40), (40, 3000), (32, 32)])
def test_pictures_of_any_proportion_stay_on_the_page(shape: tuple[int, int], tmp_path: Path) -> None:
    gray = np.full(shape, 128, np.uint8)
    red = np.zeros((*shape, 3), np.uint8)
    red[..., 0] = 255
    page = picture_of(slice_report_pdf(gray, red, REPORT), tmp_path).astype(int)
    for ink in (np.all(np.abs(page - 128) < 3, axis=-1), np.all(np.abs(page - (255, 0, 0)) < 3, axis=-1)):
        rows, columns = np.nonzero(ink)
        assert rows.size > 0
        # Between the sentence and the table.
        assert 0.14 < rows.min() / page.shape[0] < rows.max() / page.shape[0] < 0.48
        assert 0.06 < columns.min() / page.shape[1] < columns.max() / page.shape[1] < 0.94


def test_the_legend_has_the_colours_of_the_overlay(tmp_path: Path) -> None:
    magma, viridis = (
        picture_of(slice_report_pdf(GRAY, COLOURED, REPORT, style=Style(colours=name)), tmp_path)
        for name in ("magma", "viridis")
    )
    # The yellow end of viridis, (253, 231, 37), is nowhere else.
    yellow = [np.all(np.abs(page.astype(int) - (253, 231, 37)) < 6, axis=-1).any() for page in (magma, viridis)]
    assert yellow == [False, True]
