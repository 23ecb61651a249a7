from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.decode.ct import CtVolume
from model.export.lines import lines, summary
from model.export.pdf import report_pdf
from model.volume.segment import VolumeSegmentation
from tests.volume.written import by_hand, chest, drawn_volume


def segmentation_of(folder: Path, volume: CtVolume | None = None, *, lesion: bool = True) -> VolumeSegmentation:
    """Four slices with two lungs, a lesion in the third."""
    lung, marks = (np.zeros((4, 40, 48), np.float32) for _ in range(2))
    lung[:, 10:30, 8:20] = lung[:, 10:30, 28:40] = 1.0
    marks[2, 12:20, 10:18] = 0.9 * lesion
    return by_hand(volume or drawn_volume(chest(), extents_mm=(4.0,) * 4), folder, marks, lung)


def words_of(pdf: bytes, folder: Path) -> str:
    """What poppler reads in it; skips where it is not installed."""
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("pdftotext is not installed")
    (folder / "report.pdf").write_bytes(pdf)
    answer = subprocess.run([reader, "-layout", str(folder / "report.pdf"), "-"], capture_output=True, check=True)
    return " ".join(answer.stdout.decode().split())


def test_it_is_one_page(tmp_path: Path) -> None:
    pdf = report_pdf(segmentation_of(tmp_path))
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1


def test_it_says_which_model_read_and_that_it_is_research(tmp_path: Path) -> None:
    words = words_of(report_pdf(segmentation_of(tmp_path)), tmp_path)
    assert "Model tested-1" in words
    assert "ab" * 32 in words
    assert "For research only. Groundglass is not a medical device." in words


def test_it_gives_the_figures(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path)
    words = words_of(report_pdf(segmentation), tmp_path)
    # 64 pixels of 6 mm², 4 mm high, are 1.54 ml; of 4 · 480 pixels of lung.
    assert "Share of the lungs in this scan 3.3 %" in words
    assert "Lesion volume 1.5 ml" in words
    assert "slice 3 of 4" in words
    assert all(value in words for _, value in lines(segmentation.measured.findings))


def test_no_patient_is_named_unless_asked_for(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path)
    assert "Doe" not in words_of(report_pdf(segmentation), tmp_path)
    assert "Doe, Jane $x^2$" in words_of(report_pdf(segmentation, patient="Doe, Jane $x^2$"), tmp_path)


def test_it_says_nothing_of_when_and_where_it_was_made(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path)
    pdf = report_pdf(segmentation)
    assert b"CreationDate" not in pdf
    assert pdf == report_pdf(segmentation)


def test_a_volume_without_lesion_has_a_report(tmp_path: Path) -> None:
    words = words_of(report_pdf(segmentation_of(tmp_path, lesion=False)), tmp_path)
    assert "none at this threshold" in words
    assert "class 0 of 0 to 5" in words


def test_what_is_unknown_is_said(tmp_path: Path) -> None:
    volume = drawn_volume(chest(), affine=None, sides_known=False)
    told = dict(lines(segmentation_of(tmp_path, volume).measured.findings))
    assert told["Lesion volume"] == told["Lung volume"] == "unknown: the scan states no spacing"
    assert told["Right lung"] == told["Left lung"] == "not told apart"


def test_a_single_slice_has_a_report(tmp_path: Path) -> None:
    volume = drawn_volume(chest()[:1])
    marks = np.zeros((1, 40, 48), np.float32)
    marks[0, 12:20, 10:18] = 0.9
    words = words_of(report_pdf(by_hand(volume, tmp_path, marks)), tmp_path)
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


@pytest.mark.parametrize("note", ["Left out: “肺 5.0 B30f” (3).", "Left out: “$\\frac{” (1).", "One $ and another $."])
def test_notes_may_hold_anything(note: str, tmp_path: Path) -> None:
    segmentation = replace(segmentation_of(tmp_path), notes=(note, "x" * 400))
    assert report_pdf(segmentation).startswith(b"%PDF-")


def test_a_name_may_be_in_any_script(tmp_path: Path) -> None:
    assert report_pdf(segmentation_of(tmp_path), patient="山田^太郎").startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("percent", "shown"), [(0.0, "0.0 %"), (0.04, "less than 0.1 %"), (0.05, "0.1 %"), (33.33, "33.3 %")]
)
def test_small_shares_are_not_shown_as_none(percent: float, shown: str, tmp_path: Path) -> None:
    findings = replace(segmentation_of(tmp_path).measured.findings, lesion_percent_of_lung=percent)
    assert dict(lines(findings))["Share of the lungs in this scan"] == shown
