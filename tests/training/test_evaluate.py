from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.engine import Identity
from tests.training.drawn import write_data, write_manifest, write_png
from training import evaluate as evaluation
from training.dataset import Row, read_manifest
from training.evaluate import evaluate, main
from training.report import Summary, summarise, summarise_by, write_report

FloatArray = NDArray[np.float32]
SIZE = 32


class FakeEngine:
    """Calls lesion what is brighter than 0.6, lung what is brighter than 0.3."""

    identity = Identity("fake", "abc")
    channels: tuple[str, ...] = ("lesion", "lung")
    input_size = SIZE

    def predict(self, batch: FloatArray) -> FloatArray:
        both = np.concatenate([batch >= 0.6, batch >= 0.3], axis=-1)
        return both[..., : len(self.channels)].astype(np.float32)


class LesionEngine(FakeEngine):
    """Has no lung channel."""

    channels: tuple[str, ...] = ("lesion",)


def mask(rows: int, columns: int) -> NDArray[np.uint8]:
    """(32, 32), the upper left rows and columns marked."""
    marked = np.zeros((SIZE, SIZE), np.uint8)
    marked[:rows, :columns] = 255
    return marked


def line(folder: Path, name: str, patient: str, *, called: int, lesion: int, lung: int | None) -> dict[str, object]:
    """A slice in whose 20 × 20 lung the first `called` rows look like lesion; the masks have `lesion`, `lung` rows."""
    image = np.maximum(mask(20, 20) // 2, mask(called, 20))
    return {
        "image": write_png(folder / f"{name}.png", image),
        "mask": write_png(folder / f"{name}_m.png", mask(lesion, 20)),
        "lung": "" if lung is None else write_png(folder / f"{name}_l.png", mask(lung, 20)),
        "source": patient[0],
        "patient": patient,
        "slice": 0,
        "split": "val",
    }


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Two slices with lesion, one of another source that is healthy but called, and one that is clean."""
    manifest = write_manifest(
        tmp_path / "index.csv",
        [
            line(tmp_path, "one", "a1", called=4, lesion=6, lung=20),
            line(tmp_path, "two", "a1", called=4, lesion=2, lung=10),
            line(tmp_path, "three", "b1", called=1, lesion=0, lung=None),
            line(tmp_path, "four", "b2", called=0, lesion=0, lung=None),
        ],
    )
    return read_manifest(manifest)


def test_pooled_figures_are_as_computed_by_hand(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows, size=SIZE))
    # In rows of 20 pixels: true 4 + 2, false positive 2 + 1, false negative 2.
    assert summary.lesion_dice == pytest.approx(12 / (12 + 3 + 2))
    assert summary.lesion_iou == pytest.approx(6 / 11)
    assert summary.lesion_precision == pytest.approx(6 / 9)
    assert summary.lesion_recall == pytest.approx(6 / 8)


def test_the_lung_is_measured_where_it_was_drawn(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows, size=SIZE))
    # Called 20 + 20 rows, drawn 20 + 10.
    assert summary.lung_dice == pytest.approx(60 / 70)
    assert summary.lung_slices == 2


def test_slices_without_lesion_are_left_out_of_the_mean(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows, size=SIZE))
    assert summary.mean_slice_dice == pytest.approx((8 / 10 + 4 / 6) / 2)
    assert (summary.lesion_slices, summary.left_out_slices) == (2, 2)


def test_slices_without_lesion_are_clean_where_little_is_called(rows: list[Row]) -> None:
    results = evaluate(FakeEngine(), rows, size=SIZE)
    # One row of twenty is 5 %.
    assert [result.called_share for result in results] == [0.2, 0.2, 0.05, 0.0]
    assert summarise(results).clean_share == 0.5


def test_what_is_called_outside_the_lung_counts_as_lung(rows: list[Row]) -> None:
    class Apart(FakeEngine):
        """Sees no lung where it sees a lesion."""

        def predict(self, batch: FloatArray) -> FloatArray:
            lesion, lung = np.split(super().predict(batch), 2, axis=-1)
            return np.concatenate([lesion, lung - lesion], axis=-1)

    results = evaluate(Apart(), rows, size=SIZE)
    assert [result.called_share for result in results] == [0.2, 0.2, 0.05, 0.0]


@pytest.mark.parametrize(("pixels", "clean"), [(4, 1.0), (5, 0.0)])
def test_one_percent_of_the_lung_is_still_clean(pixels: int, clean: float, tmp_path: Path) -> None:
    healthy = line(tmp_path, "one", "a1", called=0, lesion=0, lung=None)
    image = mask(20, 20) // 2
    image[0, :pixels] = 255
    write_png(tmp_path / "one.png", image)
    rows = read_manifest(write_manifest(tmp_path / "index.csv", [healthy]))
    assert summarise(evaluate(FakeEngine(), rows, size=SIZE)).clean_share == clean


def test_nothing_called_where_no_lung_is_found_is_clean(tmp_path: Path) -> None:
    air = line(tmp_path, "one", "a1", called=0, lesion=0, lung=None)
    write_png(tmp_path / "one.png", mask(0, 0))
    rows = read_manifest(write_manifest(tmp_path / "index.csv", [air]))
    summary = summarise(evaluate(FakeEngine(), rows, size=SIZE))
    assert summary.clean_share == 1.0
    assert math.isnan(summary.lesion_dice)


def test_groups_are_summed_up_apart(rows: list[Row]) -> None:
    by_patient = summarise_by(evaluate(FakeEngine(), rows, size=SIZE), lambda row: row.patient)
    assert list(by_patient) == ["a1", "b1", "b2"]
    assert by_patient["a1"].lesion_precision == pytest.approx(6 / 8)
    assert by_patient["b1"].lesion_dice == 0.0
    assert math.isnan(by_patient["b2"].lesion_dice)
    assert math.isnan(by_patient["b2"].mean_slice_dice)


def test_a_network_without_lung_channel_has_no_lung_figures(rows: list[Row]) -> None:
    summary = summarise(evaluate(LesionEngine(), rows, size=SIZE))
    assert summary.lesion_dice == pytest.approx(12 / 17)
    assert summary.lung_slices == 0
    assert math.isnan(summary.lung_dice)
    assert math.isnan(summary.clean_share)


def test_the_threshold_is_heeded(rows: list[Row]) -> None:
    class Unsure(FakeEngine):
        """Is never surer than 0.6."""

        def predict(self, batch: FloatArray) -> FloatArray:
            return super().predict(batch) * np.float32(0.6)

    assert summarise(evaluate(Unsure(), rows, size=SIZE)).lesion_recall == pytest.approx(6 / 8)
    assert summarise(evaluate(Unsure(), rows, threshold=0.7, size=SIZE)).lesion_recall == 0.0


def test_figures_are_taken_at_the_height_and_width_of_the_slice(tmp_path: Path) -> None:
    shape = (48, 96)
    marked = np.zeros(shape, np.uint8)
    marked[12:24, 6:36] = 255
    wide = line(tmp_path, "one", "a1", called=0, lesion=0, lung=None)
    for name in ("one", "one_m"):
        write_png(tmp_path / f"{name}.png", marked)
    rows = read_manifest(write_manifest(tmp_path / "index.csv", [wide]))
    (result,) = evaluate(FakeEngine(), rows, size=SIZE)
    assert result.lesion_px == 12 * 30
    # A third of the size divides every side: nothing is lost on the way there and back but along the edge.
    assert result.lesion.dice > 0.85


@pytest.mark.parametrize("threshold", [0.0, 1.0, 50.0, math.nan])
def test_it_refuses_a_threshold_out_of_range(threshold: float, rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0 and below 1"):
        evaluate(FakeEngine(), rows, threshold=threshold, size=SIZE)


def test_it_refuses_to_evaluate_nothing() -> None:
    with pytest.raises(ValueError, match="rows is empty"):
        evaluate(FakeEngine(), [], size=SIZE)


def test_the_report_is_written(rows: list[Row], tmp_path: Path) -> None:
    write_report(evaluate(FakeEngine(), rows, size=SIZE), tmp_path / "out", {"model_id": "fake"})
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["model_id"] == "fake"
    assert report["overall"]["all"]["lesion_dice"] == pytest.approx(12 / 17)
    assert set(report["overall"]["all"]) == set(Summary.__dataclass_fields__)
    assert list(report["by_source"]) == ["a", "b"]
    assert report["by_patient"]["b2"]["lesion_dice"] is None
    table = (tmp_path / "out" / "report.md").read_text()
    assert "| all | 0.706 | 0.545 | 0.667 | 0.750 | 0.857 (2) | 0.733 (2, 2) | 0.500 |" in table
    assert "| b2 | – | – | – | – | – (0) | – (0, 1) | 1.000 |" in table


def test_a_row_is_written_for_each_slice(rows: list[Row], tmp_path: Path) -> None:
    write_report(evaluate(FakeEngine(), rows, size=SIZE), tmp_path, {})
    with (tmp_path / "slices.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["image"] for line in lines] == ["one.png", "two.png", "three.png", "four.png"]
    assert lines[1]["lesion_px"] == "40"
    assert lines[1]["called_px"] == "80"
    assert lines[1]["true_positive_px"] == "40"
    assert lines[1]["false_positive_px"] == "40"
    assert lines[2]["lung_dice"] == ""


def test_the_command_reports_on_one_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "load_engine", lambda weights: FakeEngine())
    manifest = write_data(tmp_path, train=2, val=3)
    options = ["--weights", "w.h5", "--manifest", str(manifest), "--out", str(tmp_path / "out"), "--size", "64"]
    main([*options, "--threshold", "0.4"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["model_id"], report["sha256"], report["threshold"]) == ("fake", "abc", 0.4)
    assert report["overall"]["all"]["lesion_slices"] == 3


def test_the_command_refuses_a_split_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_data(tmp_path)
    with pytest.raises(SystemExit):
        main(["--weights", "w.h5", "--manifest", str(manifest), "--out", str(tmp_path), "--split", "test"])
    assert "has no row with split 'test'" in capsys.readouterr().err
