from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.export.slice_pdf import SliceReport, slice_report_pdf
from model.overlay import Style
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
    warning = "This does not look like a chest CT; it looks more like a head CT."
    report = replace(REPORT, warning=warning, notes=["The first note.", "Left out: “$\\frac{” (1)."], quality=True)
    words = report_of(tmp_path, report)
    assert words.index(warning) < words.index("Lesions cover")
    assert "Threshold 0.3, mean of four looks. The first note. Left out:" in words


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
