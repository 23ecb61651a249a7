"""Weights of TensorFlow, ours and those of other projects, through the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from model.card import SHIPPED_WEIGHTS
from model.engine import Engine, KerasEngine, float_form, load_engine
from model.errors import WeightsError
from model.network import build_network
from model.phantom import EXAMPLES, draw_phantom, phantom_png
from model.preprocess import preprocess
from model.segment import segment
from training.measures.metrics import overlap

BATCH = preprocess(draw_phantom(EXAMPLES["many"]))[np.newaxis]


@pytest.fixture(scope="module")
def one_channel() -> keras.Model:
    """The network of the public projects: one class; its weights are random but fixed."""
    keras.utils.set_random_seed(3)
    return build_network(classes=1)


def save_old_weights(network: keras.Model, file: Path) -> None:
    """Write weights only, as Keras 2 did."""
    with h5py.File(file, "w") as group:
        save_weights_to_hdf5_group(group, network)


# Keras 3 calls its own HDF5 format for full models legacy.
@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("weights_only.hdf5", save_old_weights),
        ("full_model.h5", lambda network, file: network.save(file)),
        ("new.weights.h5", lambda network, file: network.save_weights(file)),
        ("new.keras", lambda network, file: network.save(file)),
    ],
)
def test_one_channel_weights_of_every_format_load(
    one_channel: keras.Model, tmp_path: Path, name: str, save: Callable[[keras.Model, Path], None]
) -> None:
    save(one_channel, tmp_path / name)
    engine = load_engine(tmp_path / name)
    assert isinstance(engine, KerasEngine)
    assert engine.channels == ("lesion",)
    np.testing.assert_allclose(engine.predict(BATCH), one_channel.predict_on_batch(BATCH), atol=1e-5)


def test_one_channel_weights_serve_without_lung_figures(one_channel: keras.Model, tmp_path: Path) -> None:
    save_old_weights(one_channel, tmp_path / "public.hdf5")
    segmentation = segment(phantom_png("many"), load_engine(tmp_path / "public.hdf5"))
    assert segmentation.lung_probability is None
    assert segmentation.findings.lung_area_px is None
    assert segmentation.findings.lesion_percent_of_lung is None
    assert segmentation.model.model_id == "public"


@pytest.fixture(scope="module")
def in_keras() -> Engine:
    """The shipped network by TensorFlow."""
    return load_engine(SHIPPED_WEIGHTS.with_name(SHIPPED_WEIGHTS.stem + ".weights.h5"))


def test_the_shipped_network_answers_alike_in_both_engines(in_keras: Engine, engine: Engine) -> None:
    floating = load_engine(float_form(SHIPPED_WEIGHTS))
    assert isinstance(in_keras, KerasEngine)
    for other in (engine, floating):
        assert other.identity.model_id == in_keras.identity.model_id
        assert other.channels == in_keras.channels
    np.testing.assert_allclose(floating.predict(BATCH), in_keras.predict(BATCH), atol=0.02)


def test_whole_numbers_answer_nearly_as_floating_ones(in_keras: Engine, engine: Engine) -> None:
    # What a slice may differ by; what all validation slices lose is measured by the export, and in the card.
    whole, floating = engine.predict(BATCH), in_keras.predict(BATCH)
    difference = np.abs(whole - floating)
    # Single pixels at the edges of lesions differ by more: the lighter last stage sees half as many.
    assert difference.max() <= 0.4
    assert (difference > 0.1).mean() <= 0.004
    assert difference.mean() <= 0.005
    for channel in range(2):
        assert overlap(floating[..., channel] >= 0.5, whole[..., channel] >= 0.5).dice >= 0.99


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.weights.h5", "a.keras"])
def test_a_damaged_file_is_a_weights_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"damage")
    with pytest.raises(WeightsError, match="does not fit the ResNet34 U-Net .* or is damaged"):
        load_engine(tmp_path / name)


def test_another_network_is_a_weights_error(tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((448, 448, 1)), keras.layers.Conv2D(1, 3)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(WeightsError, match="does not fit"):
        load_engine(tmp_path / "other.weights.h5")
