from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.card import SHIPPED_WEIGHTS, file_sha256
from model.engine import OpenVinoEngine
from model.errors import WeightsError
from model.network import build_network
from training.learning.networks import load_any


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("small-run") / "best.weights.h5"
    build_network(arch="unet-small", size=32).save_weights(file)
    return file


def test_a_network_of_another_architecture_answers_at_its_own_size(weights: Path) -> None:
    engine = load_any([weights], arch="unet-small", size=32)
    assert engine.input_size == 32
    assert engine.channels == ("lesion", "lung")
    batch = np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    answer = engine.predict(batch)
    assert answer.shape == (2, 32, 32, 2)
    assert answer.dtype == np.float32
    network = build_network(arch="unet-small", size=32)
    network.load_weights(weights)
    assert answer == pytest.approx(np.asarray(network.predict_on_batch(batch)), abs=1e-6)


def test_it_is_named_after_its_run(weights: Path) -> None:
    identity = load_any([weights], arch="unet-small", size=32).identity
    assert identity.model_id == weights.parent.name
    assert identity.sha256 == file_sha256(weights)


def test_unless_told_the_size_is_what_the_architecture_is_made_for(weights: Path) -> None:
    assert load_any([weights], arch="unet-small").input_size == 128


def test_what_can_be_served_is_loaded_as_it_is_served() -> None:
    assert isinstance(load_any([SHIPPED_WEIGHTS]), OpenVinoEngine)


def test_weights_of_another_architecture_are_refused(weights: Path) -> None:
    with pytest.raises(WeightsError):
        load_any([weights], arch="unet", size=32)


def test_several_networks_are_averaged(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-run" / "best.weights.h5"
    other.parent.mkdir()
    build_network(arch="unet-small", size=32).save_weights(other)
    both = load_any([weights, other], arch="unet-small", size=32)
    assert both.identity.model_id == f"{weights.parent.name}+other-run"
    batch = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
    alone = [load_any([file], arch="unet-small", size=32).predict(batch) for file in (weights, other)]
    np.testing.assert_allclose(both.predict(batch), np.mean(alone, axis=0), atol=1e-6)


def test_no_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one file of weights"):
        load_any([], arch="unet-small")
