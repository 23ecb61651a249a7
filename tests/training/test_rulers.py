from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.drawn import draw_sample, write_data
from training import rulers
from training.data.sample import UNKNOWN, Sample
from training.learning.config import Config, Stage, as_dict
from training.rulers import as_picture, main, measure


class Bright:
    """Calls lesion what is brighter than 0.7, and lung the rest that is darker than 0.5."""

    input_shape = (None, 64, 64, 1)

    def predict_on_batch(self, batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.concatenate([batch > 0.7, (batch < 0.5) | (batch > 0.7)], axis=-1).astype(np.float32)


def well() -> Sample:
    sample = draw_sample(0)
    return replace(sample, lesion=np.zeros_like(sample.lesion))


def test_the_right_answer_has_the_best_figures() -> None:
    figures = measure(Bright(), [draw_sample(0), draw_sample(1)])
    assert figures["dice"] == figures["slice_dice"] == figures["lung_dice"] == 1.0
    assert np.isnan(figures["clean"])


def test_the_figures_are_as_computed_by_hand() -> None:
    sample = draw_sample(0)
    # Half of the 16 rows of the true lesion are said to be lesion.
    half = sample.lesion.copy()
    half[18:26] = 0
    figures = measure(Bright(), [replace(sample, lesion=half), well()])
    # 336 pixels called in each slice; 168 of them are right.
    assert figures["dice"] == pytest.approx(2 * 168 / (336 + 336 + 168))
    assert figures["slice_dice"] == pytest.approx(2 * 168 / (336 + 168))
    assert figures["clean"] == 0.0


def test_what_nobody_knows_of_the_lung_does_not_count() -> None:
    sample = draw_sample(0)
    assert sample.lung is not None
    wrong = sample.lung.copy()
    wrong[:] = 255
    unknown = np.where(sample.lung == 255, np.uint8(255), np.uint8(UNKNOWN))
    assert measure(Bright(), [replace(sample, lung=wrong)])["lung_dice"] < 0.9
    assert measure(Bright(), [replace(sample, lung=unknown)])["lung_dice"] == 1.0


def test_a_picture_is_the_same_each_time_and_another_for_each_slice() -> None:
    first, again, other = (as_picture(draw_sample(0), number).image for number in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    # Cut to the lung, of 48 pixels, with hardly a margin.
    assert max(first.shape) < 60


def test_the_command_adds_a_row_for_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(rulers, "build_network", lambda *, arch, size, mixed_bfloat16: Bright())
    monkeypatch.setattr(rulers, "load_into", lambda network, weights: loaded.append(weights.parent.name))
    write_data(tmp_path, train=6, val=2)
    stage = Stage(size=64, epochs=1, batch_size=2, learning_rate=1e-3)
    for name, hold_out in (("a", "fold=1/3"), ("b", None)):
        (tmp_path / name).mkdir()
        config = Config("index.csv", (stage,), hold_out=hold_out)
        (tmp_path / name / "config.json").write_text(json.dumps(as_dict(config)))
        (tmp_path / name / "best.weights.h5").touch()
    workdirs = [str(tmp_path / name) for name in ("a", "b")]
    main(["--workdir", *workdirs, "--out", str(tmp_path / "rulers.csv"), "--data", str(tmp_path)])
    with (tmp_path / "rulers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["held_out"], row["slices"]) for row in rows] == [("a", "fold=1/3", "2"), ("b", "val", "2")]
    assert loaded == ["a", "b"]
    assert all(float(row["plain_dice"]) == 1.0 for row in rows)


def test_the_command_names_a_run_that_is_not_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        main(["--workdir", str(tmp_path / "a"), "--out", str(tmp_path / "rulers.csv")])
    assert stop.value.code == 1
    assert "a holds no finished run" in capsys.readouterr().err
