"""A network as it was trained, whatever its architecture and size, behind the same face as a served one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import Identity, file_sha256
from model.engine import CHANNELS_BY_COUNT, Engine
from model.ensemble import join, load_ensemble
from model.look import look, look_closely
from model.network import DEFAULT, find_architecture, load_network
from model.preprocess import INPUT_SIZE

Reader = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""(H, W) uint8 -> (H, W, C) float32 probabilities."""


def reader(engine: Engine, *, quality: bool = False) -> Reader:
    """Return how pictures of 8 bits are read: by one look, or with `quality` by several (see `model.look`)."""
    if quality:
        return lambda image: look_closely(image, (0.0, 255.0), engine).probability
    return lambda image: look(image, (0.0, 255.0), engine)


class TrainedEngine:
    """A network of any architecture, at any size, in Keras; see `model.engine.Engine`.

    It is named after the folder of its run, since every run calls its weights best.weights.h5.
    """

    def __init__(self, weights: Path, *, arch: str, size: int) -> None:
        self._network = load_network(weights, arch=arch, size=size)
        self.channels = CHANNELS_BY_COUNT[int(self._network.output_shape[-1])]
        self.input_size = size
        self.identity = Identity(weights.absolute().parent.name, file_sha256(weights))

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities; see `model.engine.Engine.predict`."""
        return np.asarray(self._network.predict_on_batch(batch), np.float32)


def load_any(weights: Sequence[Path], *, arch: str = DEFAULT, size: int | None = None) -> Engine:
    """Load what can be served as it is served, and networks of another architecture or size as they were trained.

    Parameters
    ----------
    weights : files of one architecture and size; the answers of several are averaged.
    size : side of the input in pixels; None = what the architecture is made for.

    Raises
    ------
    WeightsError : a file is missing, damaged or does not fit.
    ValueError : the architecture is unknown, or there are no weights.
    """
    size = size or find_architecture(arch).default_size
    if (arch, size) == (DEFAULT, INPUT_SIZE):
        return load_ensemble(weights)
    return join([TrainedEngine(file, arch=arch, size=size) for file in weights])
