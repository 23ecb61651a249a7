"""The networks of one process: loaded once, asked for by every request."""

from __future__ import annotations

import logging
import os
import threading
from functools import lru_cache
from pathlib import Path

from flask import current_app

from model.cores import usable_cores
from model.engine import Sharing, load_engine
from model.errors import WeightsError
from model.reading import Networks
from model.recognise.judge import load_recogniser
from webapp.company import WORKERS
from webapp.monitoring.metrics import TimedEngine
from webapp.settings import Settings, read_workers

log = logging.getLogger(__name__)

EXTENSION = "groundglass-segmenter"


@lru_cache(maxsize=1)
def _load(weights: Path, threads: int, workers: int) -> Networks:
    """Load the networks; kept for the next app of this process, whose own copy would take 300 MB more."""
    # Alone a slice is read by all cores; while other workers are asked, too, by this one's part of them.
    share = threads or max(1, usable_cores() // workers)
    engine = TimedEngine(load_engine(weights, threads=threads, shared=Sharing(WORKERS, share)))
    return Networks(engine, load_recogniser(engine, threads=threads))


class Segmenter:
    """Gives the networks, loading them when first asked; a failed load is tried again at the next request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Here, so that what is wrong with it is told when the app is made.
        self._workers = read_workers(os.environ)
        self._networks: Networks | None = None
        self._has_failed = False
        self._lock = threading.Lock()

    def networks(self) -> Networks:
        """Return the networks; the recogniser is the shipped one, whichever network is served.

        Raises
        ------
        WeightsError : weights are missing, damaged or do not fit.
        """
        with self._lock:
            if self._networks is None:
                self._has_failed = True
                self._networks = _load(self._settings.weights, self._settings.threads, self._workers)
                self._has_failed = False
            return self._networks

    @property
    def model_id(self) -> str | None:
        """Return the name of the network; None where it is not loaded."""
        return None if self._networks is None else self._networks.engine.identity.model_id

    def is_offline(self) -> bool:
        """Whether the weights could not be loaded, and cannot now either; where nobody tried yet, nobody does."""
        if not self._has_failed:
            return False
        try:
            self.networks()
        except WeightsError:
            return True
        return False

    def warm_up(self) -> None:
        """Load the networks now if that is possible; a failure is logged and told by /readyz."""
        try:
            self.networks()
        except WeightsError:
            log.exception("the weights cannot be loaded; /readyz answers 503 until they can")


def current_networks() -> Networks:
    """Return the networks of the current app; raises as `Segmenter.networks`."""
    return current_segmenter().networks()


def current_segmenter() -> Segmenter:
    """Return the segmenter of the current app."""
    segmenter: Segmenter = current_app.extensions[EXTENSION]
    return segmenter
