from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.engine import Identity
from tests.training.drawn import write_data, write_manifest, write_png
from training import evaluate as evaluation
from training.dataset import Row, read_manifest
from training.evaluate import describe_manifest, evaluate, main, read_stages
from training.groups import by_patient
from training.report import Evaluation, write_report
from training.results import Summary, summarise

FloatArray = NDArray[np.float32]
SIZE = 32


class FakeEngine:
    """Calls lesion what is brighter than 0.6, lung what is brighter than 0.3."""

    identity = Identity("fake", "abc")
    channels: tuple[str, ...] = ("lesion", "lung")

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
    found = {name: summarise(group) for name, group in by_patient(evaluate(FakeEngine(), rows, size=SIZE)).items()}
    assert list(found) == ["a1", "b1", "b2"]
    assert found["a1"].lesion_precision == pytest.approx(6 / 8)
    assert found["b1"].lesion_dice == 0.0
    assert math.isnan(found["b2"].lesion_dice)
    assert math.isnan(found["b2"].mean_slice_dice)


def test_lesions_areas_and_outlines_are_as_computed_by_hand(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows, size=SIZE))
    # Two lesions, both touched; one false one, on the third of four slices.
    assert (summary.lesion_sensitivity, summary.true_lesions, summary.false_lesions_per_slice) == (1.0, 2, 0.25)
    # In rows of 20 pixels, called less drawn: 4 - 6, 4 - 2, 1 - 0, 0 - 0.
    assert summary.area_bias_px == pytest.approx(20 * (-2 + 2 + 1) / 4)
    # Both outlines lie within two rows of each other.
    assert (summary.surface_dice, summary.hd95_slices) == (1.0, 2)
    assert summary.hd95_px == pytest.approx(2.0)
    pixels = 4 * SIZE * SIZE
    assert summary.lesion_accuracy == pytest.approx(1 - 20 * (2 + 2 + 1) / pixels)
    assert summary.lesion_specificity == pytest.approx(1 - 20 * (2 + 1) / (pixels - 20 * 8))


def test_slices_with_and_without_lesion_are_told_apart(rows: list[Row]) -> None:
    # The healthy slice with a called row looks exactly like the others: two ties and two in order.
    assert summarise(evaluate(FakeEngine(), rows, size=SIZE)).finding_auc == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


def test_pixels_near_lesions_are_counted_apart(rows: list[Row]) -> None:
    found = evaluate(FakeEngine(), rows, size=SIZE)
    for result in found:
        assert result.histogram.negatives + result.histogram.positives == SIZE * SIZE
        assert result.near.positives == result.histogram.positives
        assert result.near.negatives < result.histogram.negatives
    assert found[3].near.negatives == 0


def test_flips_are_read_where_they_are_asked_for(rows: list[Row]) -> None:
    assert all(math.isnan(result.disagreement) for result in evaluate(FakeEngine(), rows, size=SIZE))
    # A network that looks at each pixel alone does not care for flips.
    assert all(result.disagreement == 0.0 for result in evaluate(FakeEngine(), rows, size=SIZE, flips=True))


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


ABOUT = {
    "model_id": "fake",
    "sha256": "abc",
    "weights": "w.h5",
    "manifest": "index.csv",
    "split": "val",
    "threshold": 0.5,
    "size": SIZE,
}


def test_the_report_is_written(rows: list[Row], tmp_path: Path) -> None:
    written = write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows, size=SIZE)), tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report == written
    assert report["model_id"] == "fake"
    assert report["overall"]["all"]["lesion_dice"] == round(12 / 17, 4)
    assert set(report["overall"]["all"]) == set(Summary.__dataclass_fields__)
    assert list(report["by_source"]) == ["a", "b"]
    assert report["by_patient"]["b2"]["lesion_dice"] is None
    low, high = report["intervals"]["lesion_dice"]
    assert 0.0 <= low <= 0.7059 <= high <= 1.0
    table = (tmp_path / "out" / "report.md").read_text()
    assert "| Lesion Dice, pooled | 0.706 |" in table
    assert "| b2 | 1 (0) | – | – | – | – | – | – | – | – | 0.000 | 1.000 | – |" in table


def test_a_row_is_written_for_each_slice(rows: list[Row], tmp_path: Path) -> None:
    write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows, size=SIZE)), tmp_path)
    with (tmp_path / "slices.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["image"] for line in lines] == ["one.png", "two.png", "three.png", "four.png"]
    assert lines[1]["lesion_px"] == "40"
    assert lines[1]["called_px"] == "80"
    assert lines[1]["true_positive_px"] == "40"
    assert lines[1]["false_positive_px"] == "40"
    assert lines[1]["found_lesions"] == "1"
    assert lines[2]["lung_dice"] == ""


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line for a drawn data set and a network that needs no file."""
    monkeypatch.setattr(evaluation, "load_engine", lambda weights: FakeEngine())
    manifest = write_data(tmp_path, train=2, val=4)
    return ["--weights", "w.xml", "--manifest", str(manifest), "--out", str(tmp_path / "out"), "--size", "64"]


def test_the_command_reports_on_one_split(drawn: list[str], tmp_path: Path) -> None:
    main([*drawn, "--threshold", "0.4"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["model_id"], report["sha256"], report["threshold"]) == ("fake", "abc", 0.4)
    assert report["overall"]["all"]["lesion_slices"] == 4
    assert report["uncertainty"]["mean_disagreement"] == 0.0
    # No Keras weights lie beside w.xml, and no robustness was asked for.
    assert "explanation" not in report
    assert "robustness" not in report


def test_the_page_shows_the_slices_unless_told_not_to(drawn: list[str], tmp_path: Path) -> None:
    main([*drawn, "--no-flips"])
    page = (tmp_path / "out" / "report.html").read_text()
    # Best, median and four worst.
    assert page.count("data:image/png;base64,") == 6
    main([*drawn, "--no-flips", "--no-pictures", "--robustness", "2"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "data:image" not in page
    assert "<img" not in page


def test_the_page_needs_nothing_else(drawn: list[str], tmp_path: Path) -> None:
    main(drawn)
    page = (tmp_path / "out" / "report.html").read_text()
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    assert "@import" not in page
    assert str(tmp_path) not in page.replace(str(tmp_path / "index.csv"), "")


def test_the_same_slices_give_the_same_report(drawn: list[str], tmp_path: Path) -> None:
    def write() -> list[bytes]:
        main([*drawn, "--no-flips", "--no-pictures"])
        return [file.read_bytes() for file in sorted((tmp_path / "out").iterdir())]

    assert write() == write()


def test_learning_curves_come_from_the_training_folder(drawn: list[str], tmp_path: Path) -> None:
    stage = tmp_path / "run" / "stage1-64"
    stage.mkdir(parents=True)
    (stage / "log.csv").write_text(
        "epoch,loss,val_loss,lesion_dice,val_lesion_dice\n0,1,1.1,0.2,0.1\n1,0.5,0.7,0.6,0.4\n"
    )
    assert [row["loss"] for row in read_stages(tmp_path / "run")["stage1-64"]] == ["1", "0.5"]
    assert read_stages(None) == {}
    main([*drawn, "--no-flips", "--no-pictures", "--workdir", str(tmp_path / "run")])
    assert "Loss and lesion Dice of each epoch" in (tmp_path / "out" / "report.html").read_text()


def test_a_manifest_is_stated_relative_to_the_scans(tmp_path: Path) -> None:
    assert describe_manifest(tmp_path / "set" / "index.csv", tmp_path) == "set/index.csv"
    assert describe_manifest(Path("elsewhere/index.csv"), tmp_path) == "elsewhere/index.csv"


def test_the_command_refuses_a_split_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_data(tmp_path)
    with pytest.raises(SystemExit):
        main(["--weights", "w.h5", "--manifest", str(manifest), "--out", str(tmp_path), "--split", "test"])
    assert "has no row with split 'test'" in capsys.readouterr().err
