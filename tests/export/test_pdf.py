from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.decode.ct import CtVolume
from model.export.lines import lines, spacing, summary
from model.export.pdf import made_on, report_pdf
from model.export.sheet import FOOT_LINES, FOOT_STEP, FOOT_TOP, wrapped
from model.volume.segment import VolumeSegmentation
from tests.volume.written import by_hand, chest, drawn_volume


def four_slices() -> CtVolume:
    return drawn_volume(chest(), extents_mm=(4.0,) * 4)


def segmentation_of(folder: Path, volume: CtVolume | None = None, *, lesion: bool = True) -> VolumeSegmentation:
    """Four slices with two lungs, a lesion in the third."""
    lung, marks = (np.zeros((4, 40, 48), np.float32) for _ in range(2))
    lung[:, 10:30, 8:20] = lung[:, 10:30, 28:40] = 1.0
    marks[2, 12:20, 10:18] = 0.9 * lesion
    return by_hand(volume or four_slices(), folder, marks, lung)


def report_of(folder: Path, volume: CtVolume | None = None, *, notes: tuple[str, ...] = (), **named: str) -> str:
    """What a report says, all its words in a row."""
    segmentation = replace(segmentation_of(folder / "slices", volume), notes=notes)
    return words_of(report_pdf(segmentation, volume or four_slices(), **named), folder)


def words_of(pdf: bytes, folder: Path) -> str:
    """What poppler reads in it; skips where it is not installed."""
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("pdftotext is not installed")
    (folder / "report.pdf").write_bytes(pdf)
    answer = subprocess.run([reader, "-layout", str(folder / "report.pdf"), "-"], capture_output=True, check=True)
    return " ".join(answer.stdout.decode().split())


def picture_of(pdf: bytes, folder: Path) -> NDArray[np.uint8]:
    """The page as poppler draws it, RGB; skips where it is not installed."""
    drawer = shutil.which("pdftoppm")
    if drawer is None:
        pytest.skip("pdftoppm is not installed")
    (folder / "report.pdf").write_bytes(pdf)
    subprocess.run([drawer, "-r", "200", "-png", "-singlefile", "report.pdf", "page"], cwd=folder, check=True)
    return np.asarray(Image.open(folder / "page.png").convert("RGB"), np.uint8)


def test_it_is_one_page(tmp_path: Path) -> None:
    pdf = report_pdf(segmentation_of(tmp_path), four_slices())
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1


def test_it_says_which_model_read_and_that_it_is_research(tmp_path: Path) -> None:
    words = words_of(report_pdf(segmentation_of(tmp_path), four_slices()), tmp_path)
    assert "Model tested-1" in words
    assert "ab" * 32 in words
    assert "For research only. Groundglass is not a medical device." in words


def test_it_gives_the_figures(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path)
    words = words_of(report_pdf(segmentation, four_slices()), tmp_path)
    # 64 pixels of 6 mm², 4 mm high, are 1.54 ml; of 4 · 480 pixels of lung.
    assert "Share of the lungs in this scan 3.3 %" in words
    assert "Lesion volume 1.5 ml" in words
    assert "slice 3 of 4" in words
    assert all(value in words for _, value in lines(segmentation.measured.findings))


def test_no_patient_is_named_unless_asked_for(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path)
    assert "Doe" not in words_of(report_pdf(segmentation, four_slices()), tmp_path)
    assert "Doe, Jane $x^2$" in words_of(report_pdf(segmentation, four_slices(), patient="Doe, Jane $x^2$"), tmp_path)


def test_it_says_nothing_of_when_and_where_it_was_made(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path)
    pdf = report_pdf(segmentation, four_slices())
    assert b"CreationDate" not in pdf
    assert pdf == report_pdf(segmentation, four_slices())


def test_a_volume_without_lesion_has_a_report(tmp_path: Path) -> None:
    words = words_of(report_pdf(segmentation_of(tmp_path, lesion=False), four_slices()), tmp_path)
    assert "none at this threshold" in words
    assert "class 0 on a scale of 0 to 5: no lesion" in words


def test_what_is_unknown_is_said(tmp_path: Path) -> None:
    volume = drawn_volume(chest(), affine=None, sides_known=False)
    told = dict(lines(segmentation_of(tmp_path, volume).measured.findings))
    assert told["Lesion volume"] == told["Lung volume"] == "unknown: the scan states no spacing"
    assert told["Right lung"] == told["Left lung"] == "not told apart"


def test_a_single_slice_has_a_report(tmp_path: Path) -> None:
    volume = drawn_volume(chest()[:1])
    marks = np.zeros((1, 40, 48), np.float32)
    marks[0, 12:20, 10:18] = 0.9
    words = words_of(report_pdf(by_hand(volume, tmp_path, marks), volume), tmp_path)
    assert "slice 1 of 1" in words
    assert "Share of the lung in this slice" in words
    assert "none: one slice has an area, not a volume" in words
    assert "none from one slice" in words


def test_the_sentence_of_a_volume_and_its_table_agree(tmp_path: Path) -> None:
    findings = segmentation_of(tmp_path).measured.findings
    assert summary(findings) == "Lesions take 3.3 % of the lungs in this scan, 1.5 ml."
    small = replace(findings, lesion_ml=0.02, lesion_count=0, largest_lesion_ml=0.01)
    assert summary(small).endswith(", less than 0.1 ml.")
    assert dict(lines(small))["Lesions"] == "none of 0.014 ml (a sphere of 3 mm) or more"


def test_the_table_says_what_is_counted_and_of_what_the_class_is(tmp_path: Path) -> None:
    findings = segmentation_of(tmp_path).measured.findings
    told = dict(lines(replace(findings, severity_grade=2, severity_span="5 to 25 %", lesion_mean_hu=-504.4)))
    assert told["Lesions"] == "1 lesion of 0.014 ml or more, the largest 1.5 ml"
    assert told["Severity"] == "class 2 on a scale of 0 to 5: lesion in 5 to 25 % of both lungs"
    assert told["Mean density of lesions"] == "−504 HU"
    several = dict(lines(replace(findings, lesion_count=24, ground_glass_percent=87.0)))
    assert several["Lesions"].startswith("24 lesions of 0.014 ml or more")
    assert several["Ground glass, consolidation"] == "87 % below −300 HU, 13 % above"


@pytest.mark.parametrize("note", ["Left out: “肺 5.0 B30f” (3).", "Left out: “$\\frac{” (1).", "One $ and another $."])
def test_notes_may_hold_anything(note: str, tmp_path: Path) -> None:
    segmentation = replace(segmentation_of(tmp_path), notes=(note, "x" * 400))
    assert report_pdf(segmentation, four_slices()).startswith(b"%PDF-")


def test_a_name_may_be_in_any_script(tmp_path: Path) -> None:
    assert report_pdf(segmentation_of(tmp_path), four_slices(), patient="山田^太郎").startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("percent", "shown"), [(0.0, "0.0 %"), (0.04, "less than 0.1 %"), (0.05, "0.1 %"), (33.33, "33.3 %")]
)
def test_small_shares_are_not_shown_as_none(percent: float, shown: str, tmp_path: Path) -> None:
    findings = replace(segmentation_of(tmp_path).measured.findings, lesion_percent_of_lung=percent)
    assert dict(lines(findings))["Share of the lungs in this scan"] == shown


def test_the_head_tells_what_was_read(tmp_path: Path) -> None:
    words = report_of(tmp_path, name="a chest $x^2$.zip")
    assert "a chest $x^2$.zip 4 slices × 40 rows × 48 columns, voxels of 4 × 2 × 3 mm" in words


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"affine": None, "extents_mm": None}, "voxel spacing unknown"),
        ({"extents_mm": None}, "pixels of 2 × 3 mm"),
        ({"extents_mm": (4.0, 4.0, 5.5, 7.0)}, "voxels of 4 to 7 × 2 × 3 mm"),
        ({"extents_mm": (4.0, 4.0001, 4.0, 4.0)}, "voxels of 4 × 2 × 3 mm"),
    ],
)
def test_the_spacing_is_told_as_far_as_it_is_known(changes: dict[str, Any], told: str) -> None:
    assert spacing(replace(four_slices(), **changes)) == told


def test_the_head_tells_which_result_it_is_and_when_it_was_read(tmp_path: Path) -> None:
    words = report_of(tmp_path, made=made_on(date(2026, 11, 22), "f7cef4"))
    assert "not a medical device. Result f7cef4, read on 2026-11-22" in words


def test_a_long_name_stays_on_the_page(tmp_path: Path) -> None:
    assert "W" * 20 in report_of(tmp_path, name="W" * 79)
    assert all(len(line) < 79 for line in wrapped("W" * 79, 10.0))


def test_each_picture_has_its_sides_where_they_are_known(tmp_path: Path) -> None:
    words = report_of(tmp_path).split()
    # Four pictures and the legend.
    assert (words.count("R"), words.count("L"), words.count("L:")) == (5, 4, 1)


def test_without_known_sides_there_are_no_letters_and_it_is_said(tmp_path: Path) -> None:
    words = report_of(tmp_path, replace(four_slices(), sides_known=False))
    assert "sides unknown" in words
    assert not {"R", "L"} & set(words.split())


def test_there_is_one_legend(tmp_path: Path) -> None:
    words = report_of(tmp_path)
    assert words.count("probability of lesion") == words.count("threshold 0.5") == 1


def test_long_sentences_wrap(tmp_path: Path) -> None:
    note = "The end of a long sentence is as true as its beginning. " * 6 + "Here it ends."
    assert note in report_of(tmp_path, notes=(note,))


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (0, "5 from 75 %."),
        (8, "Note 8."),
        (9, "Note 7. And 2 more notes, see measurements.json."),
        (30, "Note 7. And 23 more notes, see measurements.json."),
    ],
)
def test_notes_that_do_not_fit_are_counted(count: int, last: str, tmp_path: Path) -> None:
    notes = tuple(f"Note {number + 1}." for number in range(count))
    assert report_of(tmp_path, notes=notes).endswith(last)


def test_one_note_that_does_not_fit_is_counted(tmp_path: Path) -> None:
    assert report_of(tmp_path, notes=("word " * 500,)).endswith("And 1 more note, see measurements.json.")


def test_the_foot_stays_on_the_page() -> None:
    assert FOOT_TOP - FOOT_STEP * (FOOT_LINES - 1) > 0.015


def bar_heights(page: NDArray[np.uint8]) -> list[int]:
    """The height in pixels of each bar of a chart, from its colour."""
    ink = np.all(np.abs(page.astype(int) - (0xB8, 0x86, 0x0B)) < 12, axis=-1)
    heights = np.count_nonzero(ink, axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], heights > 0, [0]])))
    return [int(np.median(heights[start:end])) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def test_a_slice_with_little_lesion_has_a_bar_that_is_seen(tmp_path: Path) -> None:
    marks = np.zeros((4, 40, 48), np.float32)
    marks[1, 10:30, 10:40] = marks[3, 20, 20] = 0.9
    pdf = report_pdf(by_hand(four_slices(), tmp_path / "slices", marks), four_slices())
    highest, least = bar_heights(picture_of(pdf, tmp_path))
    assert highest > 30 * least > 0


def test_the_chart_marks_what_is_pictured(tmp_path: Path) -> None:
    assert "pictured above" in report_of(tmp_path)
