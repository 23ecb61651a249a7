"""The networks of the command line, loaded while what reads and draws is imported: half a second either."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from model.card import SHIPPED_WEIGHTS
from model.cores import told_cores, usable_cores
from model.engine import Engine
from model.ensemble import load_ensemble
from model.reading import Networks
from model.recognise.judge import load_recogniser


class NetworkLoader:
    """What recognises chest CT, and the network that finds lesions: for single slices, for volumes, or for both.

    For a volume it reads a slice by each core: a twentieth more of them in a second than one after the other by all
    cores, since none waits for another's threads.
    """

    def __init__(self, weights: Sequence[Path] = (), *, volumes: bool) -> None:
        """Begin to load.

        weights : as `model.ensemble.load_ensemble` takes them; none are the shipped ones.
        volumes : whether to begin with what reads volumes, not single slices.
        """
        self._weights = list(weights) or [SHIPPED_WEIGHTS]
        self._thread = ThreadPoolExecutor(1, "networks")
        self._engines: dict[int, Future[Engine]] = {}
        self._first = self._begin(usable_cores() if volumes else 1)
        self._recogniser = self._thread.submit(lambda: load_recogniser(self._first.result(), threads=told_cores()))

    def wait(self) -> None:
        """Wait for those that were begun.

        Raises
        ------
        WeightsError : one cannot be loaded.
        """
        self._first.result()
        self._recogniser.result()

    def for_slices(self) -> Networks:
        """Return what reads slices one after the other."""
        return self._of(streams=1)

    def for_volumes(self) -> Networks:
        """Return what reads several slices at the same time."""
        return self._of(streams=usable_cores())

    def _of(self, *, streams: int) -> Networks:
        return Networks(self._begin(streams).result(), self._recogniser.result())

    def _begin(self, streams: int) -> Future[Engine]:
        if streams not in self._engines:
            # Left to itself, OpenVINO takes every core.
            loading = self._thread.submit(load_ensemble, self._weights, threads=told_cores(), streams=streams)
            self._engines[streams] = loading
        return self._engines[streams]
