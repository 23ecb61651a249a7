"""The moving average of the weights: kept by the optimiser, used to validate, saved as the best.

Averaged weights lie in the middle of where the last steps wandered, and hold better on scans that were never seen.
Keras' own callback swaps the two sets in place and would let the backup of an interrupted run store the wrong one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.learning.team import by_itself


def averaging(kept: float) -> dict[str, Any]:
    """Return the optimiser's arguments for an average that keeps this share of itself at each step; 0.0 = none."""
    return {"use_ema": True, "ema_momentum": kept, "ema_overwrite_frequency": None} if kept else {}


def _take_average(model: keras.Model) -> list[NDArray[Any]]:
    """Put the average into the model, where one is kept; return the weights that were there."""
    current = _copy(model)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    # On JAX the two share an array now, and validating gives away that of the model.
    _put_back(model, _copy(model))
    return current


def _copy(model: keras.Model) -> list[NDArray[Any]]:
    # What NumPy makes of a variable of JAX may be a view of memory that the next step gives away.
    return [np.asarray(variable).copy() for variable in model.trainable_variables]


def _put_back(model: keras.Model, weights: list[NDArray[Any]]) -> None:
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)


class ValidateAverage(keras.callbacks.Callback):  # type: ignore[misc]
    """Validate with the averaged weights, train on with the others."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Keep the weights and take the average."""
        self._weights = _take_average(self.model)

    def on_test_end(self, logs: Any = None) -> None:
        """Go back to the weights."""
        _put_back(self.model, self._weights)


class SaveBest(keras.callbacks.Callback):  # type: ignore[misc]
    """Save the weights, averaged where an average is kept, whenever a figure is higher than ever before.

    writes : False where another process saves what this one computes as well.
    """

    def __init__(self, file: Path, monitor: str, best: float | None = None, *, writes: bool = True) -> None:
        super().__init__()
        self.file, self.monitor, self.best, self.writes = file, monitor, best, writes

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compare the epoch's figure with the best so far."""
        figure = (logs or {})[self.monitor]
        if self.best is not None and figure <= self.best:
            return
        self.best = figure
        current = _take_average(self.model)
        if self.writes:
            with by_itself():
                self.model.save_weights(self.file)
        _put_back(self.model, current)
