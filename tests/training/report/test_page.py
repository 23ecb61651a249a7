from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.training.stub import result
from training.measures.calibration import reliability
from training.measures.curves import Curve, count_probabilities
from training.measures.metrics import Overlap
from training.measures.results import SliceResult
from training.measures.robustness import PERTURBATIONS, Robustness, Step
from training.report import plots
from training.report.build import Evaluation, write_report

ABOUT = {
    "model_id": "drawn",
    "sha256": "abc",
    "weights": "w.h5",
    "manifest": "other/index.csv",
    "split": "val",
    "threshold": 0.5,
    "architecture": "unet-small",
    "size": 128,
    "quality": False,
}


def write(folder: Path, results: Sequence[SliceResult], **about: object) -> tuple[str, str]:
    """Return page and tables, with white space made single."""
    write_report(Evaluation(ABOUT | about, results), folder)
    page, tables = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    return " ".join(page.split()), " ".join(tables.split())


def texts(figure: Figure) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", plots.svg(figure, "drawn")))


@pytest.mark.parametrize(("quality", "looks"), [(False, "one look"), (True, "the mean of four looks")])
def test_it_says_how_the_slices_were_read(quality: bool, looks: str, tmp_path: Path) -> None:
    results = [result(number, patient=f"p{number}") for number in range(3)]
    for written in write(tmp_path, results, quality=quality):
        assert f"unet-small, {looks} at 128 × 128 pixels" in written


def test_what_a_single_healthy_slice_leaves_undefined_is_not_said(tmp_path: Path) -> None:
    for written in write(tmp_path, [result(healthy=True)]):
        assert "– to –" not in written
        assert "temperature –" not in written
        assert "AUC –" not in written
        assert "is – over" not in written
        assert not re.search(r"\b1 (patients|slices)\b", written)
        assert not re.search(r"\bnan\b", written)


@pytest.mark.parametrize("patients", [2, 25])
def test_it_tells_nothing_that_holds_for_other_scans_alone(patients: int, tmp_path: Path) -> None:
    for written in write(tmp_path, [result(number, patient=f"p{number}") for number in range(patients)]):
        for fact in ("0.63", "630", "licence", "patients make wide and coarse ones", "none that are labelled"):
            assert fact not in written


def test_the_steps_of_robustness_begin_right_of_the_names(tmp_path: Path) -> None:
    steps = {name: [Step(found.none, 0.8, 0.5)] for name, found in PERTURBATIONS.items()}
    write_report(Evaluation(ABOUT, [result()], robustness=Robustness(steps, 1, 2)), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<th scope="row">rotation<span>degrees</span></th><td>0: 0.800 / 0.50</td>' in page


def test_shares_of_a_row_without_pixels_are_a_dash() -> None:
    drawn = texts(plots.draw_confusion(Overlap(0, 5, 0, 95)))
    assert "95.00 %" in drawn
    assert "0.00 %" not in drawn
    assert drawn.count("–") == 2


def test_figures_that_are_undefined_are_a_dash() -> None:
    curve = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    drawn = [
        plots.draw_roc(curve, math.nan),
        plots.draw_precision_recall(curve, math.nan, Overlap(1, 1, 1, 1)),
        plots.draw_uncertainty([0.1], [0.2], math.nan),
    ]
    for found in map(texts, drawn):
        assert "–" in found
        assert "nan" not in found


def test_without_a_temperature_the_network_is_shown_as_it_is() -> None:
    found = reliability(count_probabilities(np.array([0.2, 0.7], np.float32), np.array([False, True])))
    assert "temperature" not in texts(plots.draw_reliability(found, None))
    assert "at temperature 1.50" in texts(plots.draw_reliability(found, (1.5, found)))


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_the_threshold_in_use_is_named_beside_its_line(threshold: float) -> None:
    curve = Curve(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    figure = plots.draw_dice_by_threshold(curve, threshold)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (words,) = axes.texts
    box, line = words.get_window_extent(), axes.transData.transform((threshold, 0.0))[0]
    assert words.get_text() == f"in use: {threshold:g}"
    assert box.x1 < line or line < box.x0


def uncertainty(tmp_path: Path, results: list[SliceResult]) -> str:
    write_report(Evaluation(ABOUT, results), tmp_path)
    return next(line for line in (tmp_path / "report.md").read_text().splitlines() if "Uncertainty" in line)


def test_it_says_where_disagreement_does_not_warn(tmp_path: Path) -> None:
    seen = [result(number, missed_rows=2 * number, disagreement=number / 9) for number in range(4)]
    assert "does not warn" not in uncertainty(tmp_path, seen)
    missed = [
        result(number, missed_rows=16, disagreement=disagreement) for number, disagreement in ((4, 0.0), (5, 0.5))
    ]
    told = uncertainty(tmp_path, [*seen, *missed])
    assert "In 2 slices with lesion nothing is called, and in 1 of them all readings agree on that" in told
