from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.drawn import write_data
from tests.training.stub import BrightEngine, result
from training.data.dataset import read_manifest, read_sample
from training.evaluate import evaluate
from training.learning.networks import reader
from training.measures.results import SliceResult
from training.measures.sanity import MapPair
from training.report.panels import GAP_PX, SIDE_PX, WORST, choose_cases, describe, draw_maps, draw_panels


@pytest.fixture
def results() -> list[SliceResult]:
    """Five slices with lesion, ever more missed, and a healthy one in which lesion is called."""
    return [*(result(number, missed_rows=2 * number) for number in range(5)), result(5, healthy=True)]


def test_best_median_and_worst_are_chosen(results: list[SliceResult]) -> None:
    cases = choose_cases(results)
    assert [title for title, _ in cases[:3]] == ["Best", "Median", "Worst 1"]
    assert [found.row.slice_index for _, found in cases] == [0, 2, 5, 4, 3, 2, 1, 0]


def test_no_more_than_twenty_are_worst() -> None:
    cases = choose_cases([result(number) for number in range(30)])
    assert len(cases) == 2 + WORST


def test_healthy_slices_have_no_best() -> None:
    assert [title for title, _ in choose_cases([result(0, healthy=True)])] == ["Worst 1"]


def test_a_panel_is_three_pictures_beside_one_another(tmp_path: Path) -> None:
    rows = read_manifest(write_data(tmp_path, train=0, val=1))
    (best, *_) = draw_panels(reader(BrightEngine()), evaluate(BrightEngine(), rows), threshold=0.5)
    drawn = cv2.imdecode(np.frombuffer(best.png, np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.shape == (SIDE_PX, 3 * SIDE_PX + 2 * GAP_PX, 3)
    assert best.caption == "val0, slice 0: Dice 1.00, 336 pixels drawn, 336 called"


def test_maps_lie_beside_the_slice(tmp_path: Path) -> None:
    (row,) = read_manifest(write_data(tmp_path, train=0, val=1))
    shape = read_sample(row).image.shape
    nothing, everything = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    (panel,) = draw_maps([MapPair(row, everything, nothing)])
    assert panel.caption == "val0, slice 0"
    drawn = cv2.imdecode(np.frombuffer(panel.png, np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    plain, trained, randomised = (
        drawn[:, start : start + SIDE_PX] for start in range(0, 3 * SIDE_PX, SIDE_PX + GAP_PX)
    )
    np.testing.assert_array_equal(plain, randomised)
    assert (plain != trained).any(axis=-1).all()


def test_a_slice_is_described(results: list[SliceResult]) -> None:
    assert describe(results[5]) == "p1, slice 5: Dice 0.00, 0 pixels drawn, 336 called"
