from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model.engine import SHIPPED_WEIGHTS, OpenVinoEngine, file_sha256, load_engine
from model.network import load_network
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess
from training import export

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
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    assert export.export(trained, out, "drawn-1") == out / "drawn-1.xml"
    return out


def test_the_served_network_answers_as_the_trained_one(trained: Path, exported: Path) -> None:
    engine = load_engine(exported / "drawn-1.xml")
    assert isinstance(engine, OpenVinoEngine)
    np.testing.assert_allclose(engine.predict(BATCH), load_engine(trained).predict(BATCH), atol=export.TOLERANCE)


def test_both_forms_are_half_as_large(trained: Path, exported: Path) -> None:
    for name in ("drawn-1.bin", "drawn-1.weights.h5"):
        assert (exported / name).stat().st_size < 0.52 * trained.stat().st_size


def test_the_card_names_the_files_that_are_there(exported: Path) -> None:
    card = json.loads((exported / "drawn-1.json").read_text())
    files = {file.name for file in exported.iterdir()} - {"drawn-1.json"}
    assert card["sha256"] == {name: file_sha256(exported / name) for name in files}
    assert card["model_id"] == "drawn-1"
    assert card["output"] == ["lesion", "lung"]


def test_it_refuses_to_keep_what_answers_otherwise(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="differs from the original by"):
        export.export(trained, tmp_path, "drawn-2")
    assert list(tmp_path.iterdir()) == []


def test_the_temperature_is_inside_the_weights(trained: Path) -> None:
    network = load_network(trained)
    before = network.predict_on_batch(BATCH).astype(np.float64)
    export.divide_lesion_logit(network, 2.5)
    after = network.predict_on_batch(BATCH).astype(np.float64)
    certain = (before[..., 0] > 0.999) | (before[..., 0] < 0.001)
    logit = np.log(before[..., 0] / (1.0 - before[..., 0]))[~certain]
    np.testing.assert_allclose(after[..., 0][~certain], 1.0 / (1.0 + np.exp(-logit / 2.5)), atol=1e-4)
    np.testing.assert_array_equal(after[..., 1], before[..., 1])
    np.testing.assert_array_equal(after[..., 0] >= 0.5, before[..., 0] >= 0.5)


def test_the_card_states_the_temperature(exported: Path) -> None:
    assert json.loads((exported / "drawn-1.json").read_text())["temperature"] == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_it_refuses_a_temperature_out_of_range(temperature: float, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        export.export(trained, tmp_path, "drawn-3", temperature=temperature)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--weights", str(tmp_path / "a.weights.h5"), "--name", "a", "--out", str(tmp_path / "out")]
    for more, status, sentence in (
        (["--temperature", "0"], 2, "must be a number above 0, got '0'"),
        ([], 1, "a.weights.h5 does not exist"),
    ):
        with pytest.raises(SystemExit) as stop:
            export.main([*options, *more])
        assert stop.value.code == status
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
