from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.data.dataset import read_manifest
from training.data.splits import split_rows
from training.learning.ancestry import learned_from, refuse_seen


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A manifest of four patients who train, two of each source, and one who validates."""
    lines = ["image,mask,lung,source,patient,slice,split"]
    for name in ("a1", "a2", "b1", "b2"):
        lines.append(f"{name}.png,{name}_m.png,,{name[0]},{name},0,train")
    lines.append("a3.png,a3_m.png,,a,a3,0,val")
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def write_run(folder: Path, **config: Any) -> Path:
    """Write the configuration of a run; return its weights, which nobody reads."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"manifest": "index.csv"} | config))
    return folder / "best.weights.h5"


def write_labels(folder: Path, teacher: Path) -> dict[str, Any]:
    folder.mkdir()
    (folder / "labels.json").write_text(json.dumps({"teachers": [{"weights": str(teacher)}]}))
    return {"manifest": str(folder / "index.csv"), "share": 0.1}


def names(weights: Path, data: Path) -> list[str]:
    return sorted(patient for _, patient in learned_from(weights, data))


def test_a_run_has_learned_from_who_trained(data: Path) -> None:
    assert names(write_run(data / "all"), data) == ["a1", "a2", "b1", "b2"]
    assert names(write_run(data / "fold", hold_out="source=b"), data) == ["a1", "a2"]
    # The best weights of a stage lie one folder deeper.
    assert names(data / "fold" / "stage1-64" / "best.weights.h5", data) == ["a1", "a2"]


def test_what_led_to_a_run_counts(data: Path) -> None:
    first = write_run(data / "first", hold_out="source=a")
    second = write_run(data / "second", hold_out="source=b", start_from=str(first))
    assert names(second, data) == ["a1", "a2", "b1", "b2"]
    taught = write_run(data / "taught", hold_out="source=b", extra=[write_labels(data / "labels", first)])
    assert names(taught, data) == ["a1", "a2", "b1", "b2"]


def test_a_soup_has_learned_from_what_went_in_alone(data: Path) -> None:
    first = write_run(data / "first", hold_out="source=a")
    # Its configuration is a copy of a run's, to which nothing was held out.
    assert names(write_run(data / "soup", soup={str(first): 1.0}), data) == ["b1", "b2"]


def test_a_circle_of_runs_comes_to_an_end(data: Path) -> None:
    weights = data / "run" / "best.weights.h5"
    assert names(write_run(data / "run", hold_out="source=a", start_from=str(weights)), data) == ["b1", "b2"]


def test_weights_that_tell_nothing_are_warned_of(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert learned_from(data / "elsewhere" / "deeper" / "w.h5", data) == set()
    assert "nothing tells which patients" in caplog.text


def test_who_was_seen_must_not_be_held_out(data: Path) -> None:
    weights = write_run(data / "all")
    rows = read_manifest(data / "index.csv")
    _, held = split_rows(rows, "source=b")
    with pytest.raises(ValueError, match="has learned from b1, b2, who validate here"):
        refuse_seen(held, [weights], data)
    refuse_seen([row for row in rows if row.split == "val"], [weights], data)
