"""A power cut in the middle of a training run."""

from __future__ import annotations

import keras


class Interrupted(Exception):
    """Stands for a power cut."""


class Interrupt(keras.callbacks.Callback):  # type: ignore[misc]
    """Stop at the beginning or the end of an epoch."""

    def __init__(self, *, before: int = -1, after: int = -1) -> None:
        super().__init__()
        self.before, self.after = before, after

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch == self.before:
            raise Interrupted

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if epoch == self.after:
            raise Interrupted
