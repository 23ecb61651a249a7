"""The processes that train one network together, what they agree upon, and what one of them does by itself."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.learning.config import Config


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

    def meet(self) -> None:
        """Wait until all processes are here."""
        self._gather(0)

    def _gather(self, *numbers: int) -> NDArray[np.uint32]:
        """Return what each process tells: (processes, len(numbers))."""
        mine = np.array(numbers, np.uint32)
        if self.processes == 1:
            return mine[np.newaxis]
        from jax.experimental import multihost_utils

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
        reason = (str(exc).splitlines() or [""])[0]
        sys.stderr.write(
            f"process {self.team.process} cannot go on: {type(exc).__name__}: {reason}\n"
            "Once that is mended, or if it only says that another process is gone, start all of them with --resume.\n"
        )
        sys.stderr.flush()
        os._exit(1)


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
