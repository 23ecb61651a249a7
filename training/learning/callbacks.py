"""What happens beside the steps of a stage: the best weights kept, logs, early stopping, the backup."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from training.learning.averaging import SaveBest, ValidateAverage
from training.learning.config import Config
from training.learning.history import MONITOR
from training.learning.team import by_itself


class Backup(keras.callbacks.BackupAndRestore):  # type: ignore[misc]
    """Back up each epoch, and go on from the last one.

    writes : False where another process writes the backup, and this one goes on from it as well.
    """

    def __init__(self, folder: Path, *, writes: bool) -> None:
        super().__init__(folder, double_checkpoint=True, delete_checkpoint=False)
        self.writes = writes

    def on_train_begin(self, logs: Any = None) -> None:
        """Go on from the backup, where there is one."""
        with by_itself():
            super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the backup."""
        if self.writes:
            with by_itself():
                super().on_epoch_end(epoch, logs)


def make_callbacks(
    config: Config,
    folder: Path,
    history: Sequence[dict[str, str]],
    watch: Sequence[keras.callbacks.Callback] = (),
    *,
    writes: bool = True,
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a stage, in their order.

    Parameters
    ----------
    folder : of the stage.
    history : the rows of its log.csv so far.
    watch : callbacks of whoever looks on; an error that they raise ends the run before the epoch is backed up.
    writes : False in a process that only computes what another writes.
    """
    best_so_far = max((float(row[MONITOR]) for row in history), default=None)
    callbacks: list[keras.callbacks.Callback] = [
        *([ValidateAverage()] if config.averaging else []),
        SaveBest(folder / "best.weights.h5", MONITOR, best_so_far, writes=writes),
        # After an interruption the patience starts anew, from the best figure so far.
        keras.callbacks.EarlyStopping(MONITOR, mode="max", patience=config.patience, baseline=best_so_far),
        *([keras.callbacks.CSVLogger(folder / "log.csv", append=True)] if writes else []),
    ]
    if config.schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(MONITOR, mode="max", factor=0.5, patience=3))
    if writes and importlib.util.find_spec("tensorflow") is not None:
        callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False))
    # Last, so that an epoch that counts as done has been logged and checkpointed.
    return [*callbacks, *watch, Backup(folder / "backup", writes=writes)]


@contextlib.contextmanager
def closing_logs(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[None]:
    """Close log.csv also where a run is ended by an error."""
    try:
        yield
    finally:
        for callback in callbacks:
            if isinstance(callback, keras.callbacks.CSVLogger) and callback.csv_file is not None:
                callback.csv_file.close()
