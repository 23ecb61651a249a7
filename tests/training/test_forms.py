"""The forms in which a network is kept."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import openvino
import pytest

from training.forms import exportable, save_for_openvino


@pytest.fixture(scope="module")
def small() -> keras.Model:
    """A network that enlarges, with weights that are random but fixed."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 6, 1))
    deep = keras.layers.Conv2D(3, 3, strides=2, padding="same", name="down")(inputs)
    large = keras.layers.UpSampling2D((2, 2), name="up")(deep)
    joined = keras.layers.Concatenate()([large, inputs])
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same")(joined))


def test_the_copy_for_the_export_answers_as_the_network(small: keras.Model) -> None:
    batch = np.random.default_rng(1).random((2, 8, 6, 1), np.float32)
    copy = exportable(small)
    np.testing.assert_allclose(copy.predict_on_batch(batch), small.predict_on_batch(batch), atol=1e-6)
    # But for the input, which is made anew.
    assert [layer.name for layer in copy.layers[1:]] == [layer.name for layer in small.layers[1:]]


def test_what_enlarges_is_one_operation(small: keras.Model, tmp_path: Path) -> None:
    save_for_openvino(small, tmp_path / "small.xml")
    kinds = [node.get_type_name() for node in openvino.Core().read_model(tmp_path / "small.xml").get_ops()]
    assert kinds.count("Interpolate") == 1
    assert "Tile" not in kinds
