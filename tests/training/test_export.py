"""The served files of a network, and which of its forms is served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

from model.card import SHIPPED_WEIGHTS, file_sha256
from model.engine import OpenVinoEngine, float_form, load_engine
from model.network import load_network
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess
from tests.training.drawn import write_data
from training import export, precision
from training.forms import divide_lesion_logit
from training.light_end import LightEnd
from training.measures import accuracy

SPEEDS = (4.0, 1.0, 2.0, 3.0)
"""Milliseconds of the original and its forms, whole numbers first."""

BATCH = preprocess(draw_phantom(EXAMPLES["many"]))[np.newaxis]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights as training leaves them, in 32 bit.

    Those of the shipped network: random ones answer so wildly that rounding shows.
    """
    file = tmp_path_factory.mktemp("trained") / "best.weights.h5"
    load_network(SHIPPED_WEIGHTS.with_name(SHIPPED_WEIGHTS.stem + ".weights.h5")).save_weights(file)
    return file


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> export.Slices:
    """Drawn slices, of which the network calls next to nothing: enough to go through all steps."""
    return export.read_slices(write_data(tmp_path_factory.mktemp("slices")))


@pytest.fixture(scope="module")
def exported(trained: Path, slices: export.Slices, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written where whole numbers are the fastest, and all forms within bounds."""
    out = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "POOLED_BOUND", 1.0)
        patch.setattr(accuracy, "PATIENT_BOUND", 1.0)
        patch.setattr(precision, "time_slices", lambda engines: dict(zip(engines, SPEEDS, strict=True)))
        assert export.export(trained, out, "drawn-1", slices) == out / "drawn-1.xml"
    return out


def test_the_floating_form_answers_as_the_trained_one(trained: Path, exported: Path) -> None:
    engine = load_engine(float_form(exported / "drawn-1.xml"))
    assert isinstance(engine, OpenVinoEngine)
    np.testing.assert_allclose(engine.predict(BATCH), load_engine(trained).predict(BATCH), atol=export.TOLERANCE)


def test_the_served_form_computes_in_whole_numbers(exported: Path) -> None:
    types = {node.get_type_name() for node in openvino.Core().read_model(exported / "drawn-1.xml").get_ops()}
    assert "FakeQuantize" in types
    assert load_engine(exported / "drawn-1.xml").predict(BATCH).shape == (1, 448, 448, 2)


def test_forms_in_16_bit_are_half_as_large_and_that_in_8_a_quarter(trained: Path, exported: Path) -> None:
    for name, share in (("drawn-1.float.bin", 0.52), ("drawn-1.weights.h5", 0.52), ("drawn-1.bin", 0.27)):
        assert (exported / name).stat().st_size < share * trained.stat().st_size


def test_the_card_tells_how_the_precision_was_chosen(exported: Path) -> None:
    told = json.loads((exported / "drawn-1.json").read_text())["precision"]
    assert told["served"] == "int8"
    assert (told["calibration_slices"], told["validation_slices"]) == (4, 2)
    measured = told["measured"]
    assert {name: form["ms"] for name, form in measured.items()} == dict(
        zip(("original", "int8", "bf16", "f32"), SPEEDS, strict=True)
    )
    for form in measured.values():
        lost = measured["original"]["lesion_dice"]["pooled"] - form["lesion_dice"]["pooled"]
        assert form["dice_lost_pooled"] == pytest.approx(lost)


def test_it_decides_anew_from_what_was_exported(
    exported: Path, slices: export.Slices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(exported, tmp_path / "out")
    monkeypatch.setattr(export, "save_in_8_bit", lambda floating, file, rows, end: export._copy_form(floating, file))
    monkeypatch.setattr(export, "fastest", lambda measured: "bf16")
    before = json.loads((out / "drawn-1.json").read_text())
    (out / "drawn-1.json").write_text(json.dumps(before | {"validation": "of the form before"}))
    export.export_again(out, "drawn-1", slices)
    after = json.loads((out / "drawn-1.json").read_text())
    assert after["precision"]["served"] == "bf16"
    assert not (out / "drawn-1.float.xml").exists()
    assert file_sha256(out / "drawn-1.bin") == before["sha256"]["drawn-1.float.bin"]
    assert set(after["sha256"]) == {file.name for file in out.iterdir()} - {"drawn-1.json"}
    assert set(before["largest_difference_from_float32"]) == {"drawn-1.weights.h5", "drawn-1.float.xml"}
    assert set(after["largest_difference_from_float32"]) == {"drawn-1.weights.h5"}
    changed = {"precision", "sha256", "largest_difference_from_float32"}
    assert {name: after[name] for name in set(after) - changed} == {
        name: before[name] for name in set(before) - changed
    }
    assert load_engine(out / "drawn-1.xml").identity.model_id == "drawn-1"


def test_a_lighter_end_is_served_and_kept(exported: Path, slices: export.Slices, tmp_path: Path) -> None:
    out, end = shutil.copytree(exported, tmp_path / "out"), tmp_path / "end.npz"
    before, maps, classes = 32, 16, 2
    nothing = {"first": (maps, before, 3, 3), "last": (4 * classes, maps, 3, 3)}
    kernels = {name: np.zeros(shape, np.float32) for name, shape in nothing.items()}
    biases = {f"{name}_bias": np.zeros(shape[0], np.float32) for name, shape in nothing.items()}
    # Whatever the slice, 0.5 is what a logit of 0 says.
    LightEnd(**kernels, **biases).save(end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, "POOLED_BOUND", 1.0)
        patch.setattr(accuracy, "PATIENT_BOUND", 1.0)
        patch.setattr(precision, "time_slices", lambda engines: dict(zip(engines, SPEEDS, strict=True)))
        for given in (end, None):
            export.export_again(out, "drawn-1", slices, end=given)
            np.testing.assert_allclose(load_engine(out / "drawn-1.xml").predict(BATCH), 0.5, atol=0.01)
            assert (out / "drawn-1.end.npz").exists()
            assert set(json.loads((out / "drawn-1.json").read_text())["sha256"]) >= {"drawn-1.end.npz"}
    # What explains a call is the whole network still.
    was, now = (load_engine(float_form(folder / "drawn-1.xml")).predict(BATCH) for folder in (exported, out))
    np.testing.assert_array_equal(now, was)


def test_the_card_names_the_files_that_are_there(exported: Path) -> None:
    card = json.loads((exported / "drawn-1.json").read_text())
    files = {file.name for file in exported.iterdir()} - {"drawn-1.json"}
    assert card["sha256"] == {name: file_sha256(exported / name) for name in files}
    assert card["model_id"] == "drawn-1"
    assert card["output"] == ["lesion", "lung"]


def test_it_refuses_to_keep_what_answers_otherwise(
    trained: Path, slices: export.Slices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="differs from the original by"):
        export.export(trained, tmp_path, "drawn-2", slices)
    assert list(tmp_path.iterdir()) == []


def test_it_writes_nothing_where_every_form_loses_too_much(
    exported: Path, slices: export.Slices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "save_in_8_bit", lambda floating, file, rows, end: export._copy_form(floating, file))
    monkeypatch.setattr(accuracy, "POOLED_BOUND", -2.0)
    out = shutil.copytree(exported, tmp_path / "out")
    before = {file.name: file_sha256(file) for file in out.iterdir()}
    with pytest.raises(ValueError, match="no form answers as the original does"):
        export.export_again(out, "drawn-1", slices)
    assert {file.name: file_sha256(file) for file in out.iterdir()} == before


def test_the_temperature_is_inside_the_weights(trained: Path) -> None:
    network = load_network(trained)
    before = network.predict_on_batch(BATCH).astype(np.float64)
    divide_lesion_logit(network, 2.5)
    after = network.predict_on_batch(BATCH).astype(np.float64)
    certain = (before[..., 0] > 0.999) | (before[..., 0] < 0.001)
    logit = np.log(before[..., 0] / (1.0 - before[..., 0]))[~certain]
    np.testing.assert_allclose(after[..., 0][~certain], 1.0 / (1.0 + np.exp(-logit / 2.5)), atol=1e-4)
    np.testing.assert_array_equal(after[..., 1], before[..., 1])
    np.testing.assert_array_equal(after[..., 0] >= 0.5, before[..., 0] >= 0.5)


def test_the_card_states_the_temperature(exported: Path) -> None:
    assert json.loads((exported / "drawn-1.json").read_text())["temperature"] == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_it_refuses_a_temperature_out_of_range(
    temperature: float, trained: Path, slices: export.Slices, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        export.export(trained, tmp_path, "drawn-3", slices, temperature=temperature)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_data(tmp_path / "slices")
    options = ["--name", "a", "--out", str(tmp_path / "out"), "--manifest", str(manifest)]
    weights = ["--weights", str(tmp_path / "a.weights.h5")]
    for more, status, sentence in (
        ([*weights, "--temperature", "0"], 2, "must be a number above 0, got '0'"),
        ([*weights, "--again"], 2, "not allowed with"),
        (weights, 1, "a.weights.h5 does not exist"),
        (["--again"], 1, "a.weights.h5: No such file"),
    ):
        with pytest.raises(SystemExit) as stop:
            export.main([*options, *more])
        assert stop.value.code == status
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
