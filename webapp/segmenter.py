"""The engine of one process: loaded once, asked for by every request, with its failure kept as a sentence."""

from __future__ import annotations

import logging
import threading

from flask import current_app

from model.engine import Engine, load_engine
from model.errors import WeightsError
from webapp.metrics import TimedEngine
from webapp.settings import Settings

log = logging.getLogger(__name__)

EXTENSION = "groundglass-segmenter"


class Segmenter:
    """Gives the engine, loading it when first asked; a failed load is tried again at the next request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._has_failed = False
        self._lock = threading.Lock()

    def engine(self) -> Engine:
        """Return the engine.

        Raises
        ------
        WeightsError : the weights are missing, damaged or do not fit.
        """
        with self._lock:
            if self._engine is None:
                self._has_failed = True
                self._engine = TimedEngine(load_engine(self._settings.weights, threads=self._settings.threads))
                self._has_failed = False
            return self._engine

    @property
    def model_id(self) -> str | None:
        """Return the name of the network; None where it is not loaded."""
        return None if self._engine is None else self._engine.identity.model_id

    def is_offline(self) -> bool:
        """Whether the weights could not be loaded, and cannot now either; where nobody tried yet, nobody does."""
        if not self._has_failed:
            return False
        try:
            self.engine()
        except WeightsError:
            return True
        return False

    def warm_up(self) -> None:
        """Load the engine now if that is possible; a failure is logged and told by /readyz."""
        try:
            self.engine()
        except WeightsError:
            log.exception("the weights cannot be loaded; /readyz answers 503 until they can")


def current_engine() -> Engine:
    """Return the engine of the current app; raises as `Segmenter.engine`."""
    return current_segmenter().engine()


def current_segmenter() -> Segmenter:
    """Return the segmenter of the current app."""
    segmenter: Segmenter = current_app.extensions[EXTENSION]
    return segmenter
