"""The parts of a run in small: their keys, and what they do where something cannot be measured."""

from __future__ import annotations

import doctest
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from benchmarks import bench, parts, sampled
from benchmarks.accuracy import measure as measure_accuracy
from benchmarks.command import run
from benchmarks.growth import by_slices
from benchmarks.phantom_volume import ALIKE, write_volume
from benchmarks.picture import Remembered, drawn_png, remembered, steps, without_network
from benchmarks.serving import peak_mb
from benchmarks.targets import TARGETS
from model.engine import Engine
from model.overlay import overlay_png
from model.phantom import phantom_png
from model.segment import segment
from tests.benchmarks import made

WITH_EXAMPLES = ("figures", "targets", "table", "memory", "clients")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings(name: str) -> None:
    ran = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert ran.attempted > 0
    assert ran.failed == 0


@pytest.mark.parametrize("name", parts.PARTS)
def test_every_part_can_be_measured(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").measure)


def test_a_part_in_its_process(tmp_path: Path) -> None:
    told = parts.run("picture", tmp_path, quick=True)
    expected: dict[str, Any] = made.parts()["picture"]
    assert set(told) == set(expected)
    assert set(told["whole_ms"]) == set(expected["whole_ms"])
    assert list(told["steps_ms"]) == [
        "decode",
        "preprocess",
        "recognise",
        "restore",
        "bound",
        "measure",
        "draw",
        "encode",
    ]


def test_a_part_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="(?s)nonsense could not be measured:.*invalid choice"):
        parts.run("nonsense", tmp_path, quick=True)


def test_without_the_network_the_picture_is_the_same(engine: Engine) -> None:
    png = phantom_png("many")
    assert without_network(png, engine)() == overlay_png(segment(png, engine))


def test_the_last_step_gives_the_picture_of_the_whole(engine: Engine) -> None:
    png = drawn_png(256)
    assert steps(png, engine)["encode"]() == without_network(png, engine)()


def test_a_remembered_answer_is_never_the_same_array(engine: Engine) -> None:
    quick = remembered(engine, phantom_png("one"))
    assert isinstance(quick, Remembered)
    batch = np.zeros((1, 448, 448, 1), np.float32)
    assert quick.predict(batch) is not quick.predict(batch)
    assert quick.channels == engine.channels


def test_a_volume_is_drawn(tmp_path: Path) -> None:
    write_volume(tmp_path / "volume.nii", 2 * ALIKE + 1)
    voxels = np.asarray(nibabel.load(tmp_path / "volume.nii").dataobj)
    assert voxels.shape == (512, 512, 2 * ALIKE + 1)
    assert voxels.min() >= -1250
    assert voxels.max() <= 250
    # Slices that follow one another are alike until the next drawing.
    assert np.array_equal(voxels[..., 0], voxels[..., ALIKE - 1])
    assert not np.array_equal(voxels[..., ALIKE - 1], voxels[..., ALIKE])


def test_what_takes_too_long_is_not_guessed() -> None:
    one, many = by_slices((1, 1_000_000), at_most_s=100.0)
    assert one["seconds"] > 0.0
    assert one["peak_mb"] > 100.0
    assert (many["seconds"], many["peak_mb"]) == (None, None)
    assert "not measured" in many["why"]


def test_the_memory_of_a_command_is_its_own() -> None:
    # This process holds the network, and these.
    ours = np.ones(50_000_000, np.int64)
    assert run("-c", "pass").peak_mb < 40.0 < ours.nbytes / 1e6


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="ended with 3: out of order"):
        run("-c", "import sys; sys.stderr.write('out of order'); sys.exit(3)")


def test_the_modules_in_which_a_command_spends_its_time(tmp_path: Path, phantom: bytes) -> None:
    (tmp_path / "slice.png").write_bytes(phantom)
    told = tmp_path / "told.json"
    status = sampled.main([str(told), "segment", str(tmp_path / "slice.png"), "--out", str(tmp_path / "out")])
    assert status == 0
    found = json.loads(told.read_text())
    assert found["samples"] > 0
    assert "engine" in found["percent"]


def test_a_thread_that_waits_or_does_something_else_is_in_no_module() -> None:
    assert sampled.place(sys._getframe()) is None
    assert sampled.place(None) is None


def test_without_the_scans_nothing_is_told_of_accuracy(tmp_path: Path) -> None:
    told = measure_accuracy(quick=True, manifest=tmp_path / "ct-lesions" / "index.csv")
    assert (told["lost_pooled"], told["lost_worst_patient"]) == (None, None)
    assert "scans are not here" in told["absent"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_the_most_memory_of_this_process() -> None:
    import os

    assert peak_mb(os.getpid())[os.getpid()] > 50.0


def one_run(names: Any, *, quick: bool) -> dict[str, Any]:
    return {name: made.parts()[name] for name in names}


def test_a_run_is_written_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measure", one_run)
    assert bench.main(["--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "benchmarks.json").read_text())
    assert list(figures["ratios"]) == [target.key for target in TARGETS]
    assert set(figures) == set(made.run())
    assert set(figures["machine"]) == set(made.run()["machine"])
    assert set(figures["served"]) == set(made.run()["served"])
    assert (tmp_path / "benchmarks.md").read_text() == capsys.readouterr().out


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "measure", one_run)
    assert bench.main(["--quick"]) == 0
    assert "mean nothing" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_one_part_is_printed_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "measure", one_run)
    assert bench.main(["--only", "start"]) == 0
    assert json.loads(capsys.readouterr().out) == {"start": made.parts()["start"]}


def test_where_a_part_fails_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str, folder: Path, *, quick: bool) -> dict[str, Any]:
        raise RuntimeError("network could not be measured: no network")

    monkeypatch.setattr(bench, "run", fail)
    assert bench.main(["--out", str(tmp_path / "docs")]) == 1
    assert "no network" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()
