"""A search of tests.training.test_search in a process of its own, which can be killed.

python -m tests.training.searched [the options of training.search]

A small network takes the place of the real one. After each epoch the process says so on standard output and waits for a
line on standard input.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from tests.training.small import build_small
from training import search
from training import train as training
from training.learning.history import MONITOR


class Patient(search.Tell):
    """Say what was told, and wait for an answer."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        sys.stdout.write(f"{self.lookout.trial.number} {self.epochs_before + epoch} {(logs or {})[MONITOR]}\n")
        sys.stdout.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    with patch.object(training, "build_network", build_small), patch.object(search, "Tell", Patient):
        search.main()
