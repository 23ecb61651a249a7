from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from training.learning.averaging import SaveBest, ValidateAverage, averaging


def build() -> keras.Model:
    """One weight, 0 at first."""
    layers = [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    return keras.Sequential(layers)


def network(kept: float) -> keras.Model:
    """The weight is moved by 1 at each step: the input is 1 and so is the slope of the loss."""
    model = build()
    optimizer = keras.optimizers.SGD(1.0, **averaging(kept))
    model.compile(optimizer=optimizer, loss=lambda truth, answer: -answer)
    return model


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the weight while validating and at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.validated: list[float] = []
        self.trained: list[float] = []

    def weight(self) -> float:
        return float(np.asarray(self.model.trainable_variables[0])[0, 0])

    def on_test_batch_begin(self, batch: int, logs: object = None) -> None:
        self.validated.append(self.weight())

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.trained.append(self.weight())


ONE = np.ones((1, 1), np.float32)


def test_validation_sees_the_average_and_training_goes_on_from_the_weights() -> None:
    model, watch = network(0.5), Watch()
    model.fit(ONE, ONE, epochs=3, validation_data=(ONE, ONE), callbacks=[ValidateAverage(), watch], verbose=0)
    assert watch.trained == [1.0, 2.0, 3.0]
    # The average begins at the first weight: 1, (1 + 2) / 2, (1.5 + 3) / 2.
    assert watch.validated == pytest.approx([1.0, 1.5, 2.25])


def test_without_an_average_the_weights_are_saved(tmp_path: Path) -> None:
    assert averaging(0.0) == {}
    model = network(0.0)
    model.fit(ONE, ONE, epochs=2, callbacks=[SaveBest(tmp_path / "best.weights.h5", "loss")], verbose=0)
    # The loss is -weight before the step: 0, then -1. Higher is better, so the first epoch stays.
    assert read(tmp_path / "best.weights.h5") == 1.0


def read(file: Path) -> float:
    model = build()
    model.load_weights(file)
    return float(np.asarray(model.trainable_variables[0])[0, 0])


def test_the_average_is_saved(tmp_path: Path) -> None:
    model, watch = network(0.5), Watch()
    save = SaveBest(tmp_path / "best.weights.h5", "figure")
    model.fit(ONE, ONE, epochs=3, callbacks=[Figures([1.0, 3.0, 2.0]), save, watch], verbose=0)
    assert read(tmp_path / "best.weights.h5") == pytest.approx(1.5)
    assert save.best == 3.0
    assert watch.trained == [1.0, 2.0, 3.0]


class Figures(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds a figure to the log of each epoch."""

    def __init__(self, figures: list[float]) -> None:
        super().__init__()
        self.figures = figures

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["figure"] = self.figures[epoch]


def test_a_figure_that_was_reached_before_is_not_replaced(tmp_path: Path) -> None:
    save = SaveBest(tmp_path / "best.weights.h5", "figure", 5.0)
    network(0.5).fit(ONE, ONE, epochs=2, callbacks=[Figures([5.0, 4.0]), save], verbose=0)
    assert not (tmp_path / "best.weights.h5").exists()
