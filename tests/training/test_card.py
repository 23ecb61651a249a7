from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.card import fill_card, fill_figures

FIGURES = {"lesion_dice": 0.1235, "lung_dice": None}

OF_OTHERS = pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"sha256": "other"}, "does not list"), ({"split": "train"}, "val"), ({"manifest": "other.csv"}, "other.csv")],
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A manifest of three patients; the card only counts its rows."""
    lines = ["image,mask,lung,source,patient,slice,split"]
    for number, (source, patient, split) in enumerate([("b", "p2", "train"), ("a", "p1", "train"), ("a", "p3", "val")]):
        lines.append(f"{number}.png,{number}.png,,{source},{patient},{number},{split}")
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "stage1-64").mkdir(parents=True)
    (folder / "config.json").write_text('{"manifest": "index.csv", "seed": 1}')
    (folder / "stage1-64" / "log.csv").write_text("epoch,val_lesion_dice\n0,0.1\n1,0.5\n2,0.3\n")
    return folder


@pytest.fixture
def card(tmp_path: Path) -> Path:
    file = tmp_path / "card.json"
    file.write_text('{"model_id": "drawn-1", "sha256": {"drawn-1.bin": "abc"}}')
    return file


def write_report(data: Path, **changes: object) -> Path:
    report = {
        "sha256": "abc",
        "manifest": "index.csv",
        "split": "val",
        "threshold": 0.5,
        "calibration": {"temperature": 1.5},
        "overall": {"all": FIGURES},
        "by_source": {"a": FIGURES},
        "by_patient": {"p3": FIGURES},
    }
    (data / "report.json").write_text(json.dumps(report | changes))
    return data


def test_the_card_says_data_training_and_figures(card: Path, workdir: Path, data: Path) -> None:
    fill_card(card, [workdir], write_report(data), data=data)
    content = json.loads(card.read_text())
    assert content["model_id"] == "drawn-1"
    assert content["data"]["patients"] == {"train": ["p1", "p2"], "val": ["p3"]}
    assert content["data"]["slices"] == {"train": 2, "val": 1}
    assert content["data"]["sources"] == ["a", "b"]
    (run,) = content["training"]
    (stage,) = run["epochs"]
    assert (stage["epochs"], stage["best_epoch"]) == (3, 2)
    assert stage["history"] == [{"val_lesion_dice": dice} for dice in (0.1, 0.5, 0.3)]
    assert run["config"]["seed"] == 1
    assert run["further_slices"] == []
    assert content["validation"]["patients"] == {"p3": {"lesion_dice": 0.1235, "lung_dice": None}}
    assert content["validation"]["temperature"] == 1.5
    assert content["licence"] == "CC BY-NC-SA 4.0"


def test_the_figures_alone_are_replaced(card: Path, workdir: Path, data: Path) -> None:
    fill_card(card, [workdir], write_report(data), data=data)
    before = json.loads(card.read_text())
    fill_figures(card, write_report(data, calibration={"temperature": 2.5}))
    after = json.loads(card.read_text())
    assert after["validation"]["temperature"] == 2.5
    assert {**after, "validation": None} == {**before, "validation": None}


@OF_OTHERS
def test_figures_of_other_weights_or_data_replace_nothing(
    card: Path, workdir: Path, data: Path, changes: dict[str, object], sentence: str
) -> None:
    fill_card(card, [workdir], write_report(data), data=data)
    before = card.read_text()
    with pytest.raises(ValueError, match=sentence):
        fill_figures(card, write_report(data, **changes))
    assert card.read_text() == before


@OF_OTHERS
def test_it_refuses_figures_of_other_weights_or_data(
    card: Path, workdir: Path, data: Path, changes: dict[str, object], sentence: str
) -> None:
    before = card.read_text()
    with pytest.raises(ValueError, match=sentence):
        fill_card(card, [workdir], write_report(data, **changes), data=data)
    assert card.read_text() == before


@pytest.fixture
def second(tmp_path: Path, workdir: Path, data: Path) -> Path:
    """A run from the weights of the first, with further slices."""
    folder = tmp_path / "second"
    (folder / "stage1-64").mkdir(parents=True)
    config = {
        "manifest": "index.csv",
        "start_from": str(workdir / "best.weights.h5"),
        "extra": [{"manifest": str(data / "index.csv"), "share": 0.2}],
    }
    (folder / "config.json").write_text(json.dumps(config))
    (data / "labels.json").write_text('{"made_by": "hand"}')
    (folder / "stage1-64" / "log.csv").write_text("epoch,val_lesion_dice\n0,0.6\n")
    return folder


def test_runs_are_told_in_their_order_with_their_further_slices(
    card: Path, workdir: Path, second: Path, data: Path
) -> None:
    fill_card(card, [workdir, second], write_report(data), data=data)
    first, last = json.loads(card.read_text())["training"]
    assert first["config"]["seed"] == 1
    (further,) = last["further_slices"]
    assert further["labels"] == {"made_by": "hand"}
    assert (further["slices"], further["patients_or_series"], further["sources"]) == (3, 3, ["a", "b"])


def test_a_run_that_is_left_out_is_noticed(card: Path, workdir: Path, second: Path, data: Path) -> None:
    with pytest.raises(ValueError, match="name all runs in their order"):
        fill_card(card, [second], write_report(data), data=data)
    with pytest.raises(ValueError, match="name all runs in their order"):
        fill_card(card, [second, workdir], write_report(data), data=data)


def test_a_run_that_led_nowhere_is_noticed(card: Path, workdir: Path, second: Path, data: Path) -> None:
    (second / "config.json").write_text('{"manifest": "index.csv"}')
    with pytest.raises(ValueError, match="run/best.weights.h5 went into no later run"):
        fill_card(card, [workdir, second], write_report(data), data=data)


def test_a_soup_follows_the_runs_that_went_in(
    card: Path, workdir: Path, second: Path, data: Path, tmp_path: Path
) -> None:
    soup = tmp_path / "soup"
    soup.mkdir()
    shares = {str(folder / "best.weights.h5"): 1.0 for folder in (workdir, second)}
    copied = json.loads((second / "config.json").read_text())
    (soup / "config.json").write_text(json.dumps(copied | {"soup": shares}))
    fill_card(card, [workdir, second, soup], write_report(data), data=data)
    last = json.loads(card.read_text())["training"][-1]
    assert last == {"config": {"manifest": "index.csv", "soup": shares}, "further_slices": [], "epochs": []}
    with pytest.raises(ValueError, match="name all runs in their order"):
        fill_card(card, [second, soup], write_report(data), data=data)
