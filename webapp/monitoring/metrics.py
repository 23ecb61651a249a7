"""Figures for Prometheus, added up over the processes of a server.

The processes keep them in the folder that PROMETHEUS_MULTIPROC_DIR names, see gunicorn.conf.py; without it, as in
tests, a process tells its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import numpy as np
from numpy.typing import NDArray
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from model.engine import Engine, Seen, see
from model.errors import Busy, InputError, NotChestCt
from model.recognise.judge import Recognition
from webapp import problems

DECODE, NETWORK, ENCODE = "decode", "network", "encode"
"""The stages: files -> slices, slices -> probabilities, findings -> pictures and files."""

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})

REQUESTS = Counter("groundglass_requests", "Requests that were answered.", ["endpoint", "method", "status"])
STAGES = Histogram(
    "groundglass_stage_seconds",
    "How long the stages of reading took: decode, network (each look), encode.",
    ["stage"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
REFUSALS = Counter("groundglass_refusals", "Uploads and requests that were refused, by kind of problem.", ["kind"])
ERRORS = Counter("groundglass_errors", "Requests and volumes that failed by no fault of the sender, by kind.", ["kind"])


def count_request(endpoint: str | None, method: str, status: int) -> None:
    """Count an answered request; addresses that do not exist are one endpoint, so that nobody can make up thousands."""
    REQUESTS.labels(endpoint or "none", method if method in _METHODS else "other", str(status)).inc()


def count_error(error: Exception) -> None:
    """Count what an upload failed with: a refusal where the sender can do something about it, or has to wait."""
    kind = problems.kind_of(type(error))
    (REFUSALS if isinstance(error, InputError | Busy) else ERRORS).labels(kind).inc()


def count_doubt(recognition: Recognition | None) -> None:
    """Count what does not look like a chest CT and was read all the same; where it was not, it is an error."""
    if recognition is not None and recognition.refused:
        REFUSALS.labels(problems.kind_of(NotChestCt)).inc()


def count_status(status: HTTPStatus) -> None:
    """Count a problem that came with a status alone."""
    kind = problems.of_status(status).kind
    (ERRORS if status >= HTTPStatus.INTERNAL_SERVER_ERROR else REFUSALS).labels(kind).inc()


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Time a block as one of the stages, unless it raises."""
    began = time.perf_counter()
    yield
    STAGES.labels(stage).observe(time.perf_counter() - began)


class TimedEngine:
    """An engine whose every look is timed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.identity, self.channels, self.input_size = engine.identity, engine.channels, engine.input_size

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the engine answers; see `model.engine.Engine.predict`."""
        return self.see(batch).probability

    def see(self, batch: NDArray[np.float32]) -> Seen:
        """Return what the engine answers; see `model.engine.see`."""
        with timed(NETWORK):
            return see(self._engine, batch)


class _Jobs(Collector):
    """How many volumes wait and are read, as counted when it is asked for."""

    def __init__(self, queued: int, working: int) -> None:
        self._queued, self._working = queued, working

    def collect(self) -> Iterable[Metric]:
        """Yield the figures."""
        jobs = GaugeMetricFamily("groundglass_jobs", "Volumes by where they stand.", labels=["state"])
        jobs.add_metric(["queued"], self._queued)
        jobs.add_metric(["working"], self._working)
        yield jobs


def exposition(*, queued: int, working: int) -> bytes:
    """Return all figures as text for Prometheus; `queued` and `working` are numbers of jobs."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # It states no types.
    else:
        registry.register(_Own())
    registry.register(_Jobs(queued, working))
    return generate_latest(registry)


class _Own(Collector):
    """The figures of this process alone."""

    def collect(self) -> Iterable[Metric]:
        """Yield those that are ours."""
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("groundglass_"))
