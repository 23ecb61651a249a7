"""The engine of one process: loaded once, asked for by every request, with its failure kept as a sentence."""

from __future__ import annotations

import logging
import threading

from flask import current_app

from model.engine import Engine, load_engine
from model.errors import WeightsError
from webapp.settings import Settings

log = logging.getLogger(__name__)

EXTENSION = "groundglass-segmenter"


class Segmenter:
    """Gives the engine, loading it when first asked; a failed load is tried again at the next request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def engine(self) -> Engine:
        """Return the engine.

        Raises
        ------
        WeightsError : the weights are missing, damaged or do not fit.
        """
        with self._lock:
            if self._engine is None:
                self._engine = load_engine(self._settings.weights, threads=self._settings.threads)
            return self._engine

    def warm_up(self) -> None:
        """Load the engine now if that is possible; a failure is logged and told by /readyz."""
        try:
            self.engine()
        except WeightsError:
            log.exception("the weights cannot be loaded; /readyz answers 503 until they can")


def current_engine() -> Engine:
    """Return the engine of the current app; raises as `Segmenter.engine`."""
    segmenter: Segmenter = current_app.extensions[EXTENSION]
    return segmenter.engine()
