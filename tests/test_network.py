from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from model.network import CHANNELS, build_network


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "bfloat16"])
def network(request: pytest.FixtureRequest) -> keras.Model:
    return build_network(size=32, mixed_bfloat16=request.param)


def test_it_answers_probabilities_of_lesion_and_lung(network: keras.Model) -> None:
    image = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    answer = network.predict_on_batch(image)
    assert answer.shape == (2, 32, 32, len(CHANNELS))
    assert answer.dtype == np.float32
    assert 0.0 <= answer.min() and answer.max() <= 1.0


def test_its_input_is_normalised_by_its_first_layer(network: keras.Model) -> None:
    assert network.input_shape == (None, 32, 32, 1)
    assert isinstance(network.layers[1], keras.layers.BatchNormalization)


def test_its_weights_are_float32(network: keras.Model) -> None:
    assert {weight.dtype for weight in network.weights} == {"float32"}


def test_it_leaves_the_policy_of_other_networks_alone(network: keras.Model) -> None:
    assert keras.config.dtype_policy().name == "float32"


def test_it_may_have_one_class() -> None:
    assert build_network(size=32, classes=1).output_shape == (None, 32, 32, 1)


@pytest.mark.parametrize("size", [0, -32, 16, 50, 447])
def test_it_refuses_a_size_that_cannot_be_halved_five_times(size: int) -> None:
    with pytest.raises(ValueError, match=f"size must be a positive multiple of 32, got {size}"):
        build_network(size=size)


def test_nothing_is_printed_when_it_is_imported() -> None:
    program = [sys.executable, "-c", "import model.network"]
    answer = subprocess.run(program, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert answer.stdout == ""
