from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from model.network import DEFAULT, build_network
from tests.training.drawn import write_data
from tests.training.stub import SIZE, BrightEngine, FakeEngine, four_rows
from training import evaluate as evaluation
from training.data.dataset import Row, describe_manifest
from training.evaluate import check_sanity, evaluate, main, read_stages
from training.measures.groups import GROUPINGS
from training.measures.results import Summary
from training.measures.sanity import Look, sum_up
from training.report.build import Evaluation, write_report
from training.report.markdown import patients_sentence
from training.report.trust import trust_sentences

ABOUT = {
    "model_id": "fake",
    "sha256": "abc",
    "weights": "w.h5",
    "manifest": "index.csv",
    "split": "val",
    "threshold": 0.5,
    "architecture": "resnet34-unet",
    "size": SIZE,
    "quality": False,
}


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return four_rows(tmp_path)


def test_the_report_is_written(rows: list[Row], tmp_path: Path) -> None:
    written = write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows)), tmp_path / "out")
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


def test_the_groups_say_of_whom_they_are(rows: list[Row], tmp_path: Path) -> None:
    report = write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows)), tmp_path)
    for name in GROUPINGS:
        for group in report[name].values():
            assert 1 <= group["most_slices_of_a_patient"] <= group["lesion_slices"] + group["left_out_slices"]
    sentence = patients_sentence(report, "by_source")
    assert sentence.startswith("Patients in each group, and slices of the one with most: a: ")
    assert sentence in (tmp_path / "report.md").read_text()
    assert sentence in (tmp_path / "report.html").read_text()
    assert patients_sentence(report, "by_patient") == ""
    # Reports from before do not tell.
    del report["by_source"]["a"]["patients"]
    assert patients_sentence(report, "by_source") == ""


def test_the_largest_gap_is_told(rows: list[Row], tmp_path: Path) -> None:
    report = write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows)), tmp_path)
    gap = report["calibration"]["largest_gap"]
    assert gap["size"] == pytest.approx(abs(gap["probability"] - gap["share"]), abs=2e-4)
    assert "The largest gap of any bin with at least 1 % of these pixels is" in (tmp_path / "report.md").read_text()


def test_flat_maps_are_told_and_a_report_without_their_number_is_read(rows: list[Row], tmp_path: Path) -> None:
    nan = float("nan")
    sanity = sum_up([Look(0.1, 0.9, nan, nan), Look(0.2, 0.5, 0.25, 0.5)])
    report = write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows), sanity=sanity), tmp_path)
    told = trust_sentences(report)["explanation"]
    assert "over 2 slices, 0.700 of the Seg-Grad-CAM map lies inside the called lesion" in told
    assert "it is 0.250, median 0.250" in told
    assert "Of the maps 0 of the trained network and 1 of the copy are flat" in told
    del report["explanation"]["flat_randomised"]
    assert trust_sentences(report)["explanation"].endswith("a map that knew nothing would have 0.150 there.")


def test_a_row_is_written_for_each_slice(rows: list[Row], tmp_path: Path) -> None:
    write_report(Evaluation(ABOUT, evaluate(FakeEngine(), rows)), tmp_path)
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
    monkeypatch.setattr(evaluation, "load_any", lambda weights, arch, size: BrightEngine())
    manifest = write_data(tmp_path, train=2, val=4)
    return ["--weights", "w.xml", "--manifest", str(manifest), "--out", str(tmp_path / "out")]


def test_the_command_reports_on_one_split(drawn: list[str], tmp_path: Path) -> None:
    main([*drawn, "--threshold", "0.4"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["model_id"], report["sha256"], report["threshold"]) == ("bright", "abc", 0.4)
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


def test_letters_follow_the_theme_of_the_page(drawn: list[str], tmp_path: Path) -> None:
    main([*drawn, "--robustness", "2"])
    pictures = re.findall(r"<svg.*?</svg>", (tmp_path / "out" / "report.html").read_text(), flags=re.DOTALL)
    assert len(pictures) > 5
    # In the confusion matrix the letters stand on colours of their own.
    plain = [picture for picture in pictures if ">no lesion</text>" not in picture]
    assert len(plain) == len(pictures) - 1
    # Powers of ten take their colour from the group around them.
    letters = [text for picture in plain for text in re.findall(r"(?:<g [^>]*>\s*)?<text[^>]*>", picture)]
    assert len(letters) > 50
    assert [text for text in letters if "currentColor" not in text] == []


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
    ((_, epochs),) = read_stages([tmp_path / "run"], [tmp_path / "w.xml"]).items()
    assert [row["loss"] for row in epochs] == ["1", "0.5"]
    assert read_stages([], [tmp_path / "w.xml"]) == {}
    main([*drawn, "--no-flips", "--no-pictures", "--workdir", str(tmp_path / "run")])
    assert "Loss and lesion Dice of each epoch" in (tmp_path / "out" / "report.html").read_text()


def test_without_a_training_folder_the_card_tells_the_epochs(tmp_path: Path) -> None:
    history = [{"loss": 1.0, "val_loss": 1.1, "lesion_dice": 0.2, "val_lesion_dice": 0.1}]
    run = {"epochs": [{"stage": "stage1-64", "history": history}, {"stage": "stage2-96", "history": history * 2}]}
    (tmp_path / "w.json").write_text(json.dumps({"training": [run, run]}))
    stages = read_stages([], [tmp_path / "w.xml"])
    assert list(stages) == ["1: stage1-64", "2: stage2-96", "3: stage1-64", "4: stage2-96"]
    assert [len(epochs) for epochs in stages.values()] == [1, 2, 1, 2]
    assert stages["1: stage1-64"] == history
    # Several networks did not follow one another.
    assert read_stages([], [tmp_path / "w.xml", tmp_path / "v.xml"]) == {}


def test_a_manifest_is_stated_relative_to_the_scans(tmp_path: Path) -> None:
    assert describe_manifest(tmp_path / "set" / "index.csv", tmp_path) == "set/index.csv"
    assert describe_manifest(Path("elsewhere/index.csv"), tmp_path) == "elsewhere/index.csv"


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--split", "test"], 1, "has no row with split 'test'"),
        (["--manifest", "none.csv"], 1, "none.csv: No such file or directory"),
        (["--manifest", "bare.csv"], 1, "bare.csv lacks the columns mask, lung, source, patient, slice, split"),
        (["--weights", "none.xml"], 1, "none.xml does not exist"),
        (["--weights", "served.xml", "--arch", "unet-small"], 1, "served.xml holds no Keras weights"),
        (["--weights", "served.xml", "--size", "256"], 1, "served.xml holds no Keras weights"),
        (["--weights", "small.weights.h5"], 1, "small.weights.h5 does not fit the ResNet34 U-Net"),
        (["--size", "100"], 2, "must be a positive multiple of 32, got '100'"),
        (["--threshold", "2"], 2, "The threshold '2' is not a number above 0 and below 1"),
        (["--robustness", "-3"], 2, "must be a whole number of 0 or more, got '-3'"),
    ],
)
def test_the_command_says_what_is_wrong(
    options: list[str],
    status: int,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    (tmp_path / "bare.csv").write_text("image\na.png\n")
    (tmp_path / "served.xml").touch()
    build_network(arch="unet-small", size=32).save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(SystemExit) as stop:
        main(["--weights", "w.h5", "--manifest", "index.csv", "--out", "out", *options])
    assert stop.value.code == status
    assert sentence in capsys.readouterr().err


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Which files the explanation check loads, and at which size; what it measures is none of these tests' business."""
    loaded: list[tuple[Path, int]] = []
    monkeypatch.setattr(evaluation, "load_network", lambda file, size: loaded.append((file, size)))
    monkeypatch.setattr(evaluation, "check_explanations", lambda *_, **__: (sum_up([Look(0.02, 0.9, 0.2, 0.1)]), []))
    return loaded


def test_explanations_are_checked_at_the_size_that_was_read_at(loads: list[tuple[Path, int]], rows: list[Row]) -> None:
    results = evaluate(FakeEngine(), rows)
    assert check_sanity([Path("w.h5")], results, threshold=0.5, arch=DEFAULT, size=256) is not None
    assert loads == [(Path("w.h5"), 256)]


@pytest.mark.parametrize(("weights", "arch"), [(["a.h5", "b.h5"], DEFAULT), (["a.h5"], "unet-small")])
def test_explanations_are_those_of_one_network_that_is_the_default(
    weights: list[str], arch: str, loads: list[tuple[Path, int]], rows: list[Row]
) -> None:
    results = evaluate(FakeEngine(), rows)
    assert check_sanity([Path(file) for file in weights], results, threshold=0.5, arch=arch, size=SIZE) is None
    assert loads == []
