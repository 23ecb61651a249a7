"""A worker that reads volumes for servers with the same REDIS_URL and the same folder of results.

REDIS_URL=redis://localhost:6379 GROUNDGLASS_RESULTS=/shared/results python -m webapp.worker
"""

from __future__ import annotations

import logging
import os
import sys
from functools import lru_cache
from importlib import import_module

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker

from webapp.jobs.attempt import begin
from webapp.jobs.queueing import REDIS_QUEUE
from webapp.jobs.work import work
from webapp.monitoring.logs import configure
from webapp.results import ResultStore
from webapp.segmenter import Segmenter
from webapp.settings import Settings, read_settings

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _settings() -> Settings:
    return read_settings(os.environ)


@lru_cache(maxsize=1)
def _segmenter() -> Segmenter:
    return Segmenter(_settings())


def read_volume(result_id: str) -> None:
    """Read one volume; called by RQ with its id. One that has expired, or that another worker has, is left alone."""
    # First, so that no job is begun that cannot be done.
    networks = _segmenter().networks()
    folder = ResultStore.from_settings(_settings()).folder_of(result_id)
    attempt = None if folder is None else begin(folder)
    if attempt is not None:
        work(attempt, networks)


def main() -> None:
    """Work until told to stop."""
    configure()
    try:
        settings = _settings()
        if not settings.redis_url:
            raise ValueError("REDIS_URL is not set; name the Redis that the server queues volumes in")
        _segmenter().warm_up()
        # Not RQ's forking worker: the network is loaded once, and its threads would not survive a fork.
        SimpleWorker([Queue(REDIS_QUEUE, connection=Redis.from_url(settings.redis_url))]).work(logging_level="WARNING")
    except (ValueError, RedisError) as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    # By the name under which RQ imports this module: run as a script it would be another, with an engine of its own.
    import_module("webapp.worker").main()
