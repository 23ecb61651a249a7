"""The processes that train one network together, what they agree upon, and what one of them does by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

import keras
import numpy as np
from numpy.typing import NDArray

from training.learning.config import Config
from training.learning.halt import SIGNALS

PAUSE_S = 0.5
"""Between two looks for a file."""


@dataclass(frozen=True)
class Team:
    """The processes that train one network, and the place of this one among them.

    devices : of all processes together.
    """

    process: int = 0
    processes: int = 1
    devices: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what all compute."""
        return self.process == 0

    def rows(self, whole: int) -> range:
        """Return the rows of a batch of `whole` rows that this process feeds.

        >>> Team(process=1, processes=2, devices=2).rows(6)
        range(3, 6)
        """
        share = whole // self.processes
        return range(self.process * share, (self.process + 1) * share)

    def check_division(self, config: Config, slices: int) -> None:
        """Raise ValueError where a batch cannot be divided; an epoch has `slices` slices."""
        for stage in config.stages:
            # An epoch of fewer slices than a batch has is one small batch.
            rows, what = min((stage.batch_size, "the batch_size"), (slices, "the slices of an epoch"))
            if rows % self.devices:
                raise ValueError(
                    f"{rows}, {what}, cannot be divided over {self.devices} devices: take a multiple of {self.devices}"
                )

    @contextlib.contextmanager
    def agreeing(self, upon: Any = None, what: str = "") -> Iterator[None]:
        """Raise in all processes where one raises inside, or where they do not agree upon a value (of JSON)."""
        fine = False
        try:
            yield
            fine = True
        finally:
            told = self._gather(int(fine), zlib.crc32(json.dumps(upon, sort_keys=True).encode()))
        for process, (it_is_fine, value) in enumerate(told):
            if not it_is_fine:
                raise ChildProcessError(f"process {process} cannot go on, and says why")
            if value != told[0][1]:
                raise ValueError(f"process {process} has another {what} than process 0: start all alike")

    def agree(self, upon: Any, what: str) -> None:
        """Raise in all processes where they do not agree upon a value (of JSON)."""
        with self.agreeing(upon, what):
            pass

    def meet(self) -> None:
        """Wait until all processes are here."""
        self._gather(0)

    def _gather(self, *numbers: int) -> NDArray[np.uint32]:
        """Return what each process tells: (processes, len(numbers))."""
        mine = np.array(numbers, np.uint32)
        if self.processes == 1:
            return mine[np.newaxis]
        from jax.experimental import multihost_utils

        # Somebody may be gone.
        with LeaveAtOnce(self):
            return np.asarray(multihost_utils.process_allgather(mine), np.uint32)


ALONE = Team()


class LeaveAtOnce:
    """End this process at once where training fails in it, so that the others, who wait for its part, end as well.

    An orderly end would wait for them.
    """

    def __init__(self, team: Team) -> None:
        self.team = team

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, exc: BaseException | None, __: TracebackType | None) -> None:
        if self.team.processes == 1 or not isinstance(exc, Exception):
            return
        leave(1, f"process {self.team.process} {_why(exc)}")


def _why(exc: Exception) -> str:
    reason = (str(exc).splitlines() or [""])[0]
    return (
        f"cannot go on: {type(exc).__name__}: {reason}\n"
        "Once that is mended, or if it only says that another process is gone, start all of them with --resume."
    )


def leave(status: int, sentence: str) -> NoReturn:
    """End this process here."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    os._exit(status)


def leave_when_stopped(process: int) -> None:
    """Let this process end at once by an order to stop, wherever it is: the others wait for its part, and end as well.

    An error that is raised instead would be held up, until they come, wherever they are waited for.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        leave(128 + number, f"process {process} was stopped; start all with --resume")

    for number in SIGNALS:
        # A shell lets what it starts in the background ignore Ctrl-C.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def find_config(workdir: Path, *, seconds: float) -> None:
    """Raise FileNotFoundError where what process 0 has written does not come into view in some seconds."""
    until = time.monotonic() + seconds
    while not (workdir / "config.json").exists():
        if time.monotonic() >= until:
            raise FileNotFoundError(f"{workdir} is not the folder that process 0 writes to: all processes share one")
        time.sleep(PAUSE_S)
        # A network file system remembers for a while what was not there, unless the folder is listed.
        for folder in (workdir.parent, workdir):
            with contextlib.suppress(OSError):
                list(folder.iterdir())


@contextlib.contextmanager
def by_itself() -> Iterator[None]:
    """Let this process read or write weights without the others.

    Keras makes a few variables of its own while it does, and with a distribution it would ask the others about them.
    """
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)
