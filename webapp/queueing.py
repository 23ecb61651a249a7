"""Who reads the volumes: threads of this server, or workers elsewhere that take them from Redis."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flask import current_app

from model.errors import StorageError
from webapp.jobs import JobStore, Order, queue_is_full
from webapp.results import ResultStore
from webapp.segmenter import Segmenter
from webapp.settings import Settings
from webapp.work import work

log = logging.getLogger(__name__)

EXTENSION = "groundglass-jobs"
REDIS_QUEUE = "groundglass"
_LOOK_EVERY_S = 0.5
_LONGEST_WORK_S = 3600


class Queue(Protocol):
    """Takes jobs in and sees that they are done."""

    store: JobStore

    def submit(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id; see `JobStore.create`."""


class EmbeddedQueue:
    """Jobs are done by this server: one at a time in each of its processes, and no more than there are cores."""

    def __init__(self, store: JobStore, segmenter: Segmenter) -> None:
        self.store, self._segmenter = store, segmenter
        self._news = threading.Event()

    def submit(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id."""
        result_id = self.store.create(order, save)
        self._news.set()
        return result_id

    def work_once(self) -> bool:
        """Do the oldest job that waits; return whether there was one."""
        # First, so that no job is claimed that cannot be done.
        engine = self._segmenter.engine()
        folder = self.store.claim(at_most=os.cpu_count() or 1)
        if folder is None:
            return False
        work(folder, engine)
        return True

    def start(self) -> None:
        """Work from now on, in a thread that ends with the process."""
        threading.Thread(target=self._work_on, name="volumes", daemon=True).start()

    def _work_on(self) -> None:
        while True:
            try:
                # Another process may have taken a job in, hence the look without news.
                if not self.work_once():
                    self._news.wait(_LOOK_EVERY_S)
                    self._news.clear()
            except Exception:
                # Without this thread every volume would wait for ever.
                log.exception("waiting volumes cannot be read")
                self._news.wait(10 * _LOOK_EVERY_S)


class RedisQueue:
    """Jobs are done by workers (`python -m webapp.worker`) that share the folder of the results with this server."""

    def __init__(self, store: JobStore, settings: Settings) -> None:
        from redis import Redis  # Only servers with REDIS_URL need the two packages.
        from rq import Queue as RqQueue

        self.store, self._longest = store, settings.queue
        self._queue = RqQueue(REDIS_QUEUE, connection=Redis.from_url(settings.redis_url))

    def submit(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id.

        Raises
        ------
        Busy : too many are waiting already. StorageError : Redis does not answer.
        """
        from redis.exceptions import RedisError

        try:
            if self._queue.count >= max(1, self._longest):
                raise queue_is_full()
            result_id = self.store.create(order, save)
            self._enqueue(result_id)
        except RedisError as exc:
            log.error("Redis does not answer: %s", type(exc).__name__)
            raise StorageError(
                "The server cannot take volumes now: its queue does not answer. Try again later."
            ) from exc
        return result_id

    def _enqueue(self, result_id: str) -> None:
        """Tell the workers; what cannot be told of is not kept."""
        try:
            self._queue.enqueue("webapp.worker.read_volume", result_id, job_timeout=_LONGEST_WORK_S, result_ttl=0)
        except Exception:
            self.store.forget(result_id)
            raise


def make_queue(settings: Settings, results: ResultStore, segmenter: Segmenter) -> Queue:
    """Return the queue that the settings name."""
    if settings.redis_url:
        # Redis counts those that wait; here they are only kept.
        return RedisQueue(JobStore(results, longest_queue=10_000), settings)
    return EmbeddedQueue(JobStore(results, longest_queue=max(1, settings.queue)), segmenter)


def start_working(queue: Queue) -> None:
    """Begin to read volumes in this process, unless workers elsewhere do."""
    if isinstance(queue, EmbeddedQueue):
        queue.start()


def current_queue() -> Queue:
    """Return the queue of the current app."""
    queue: Queue = current_app.extensions[EXTENSION]
    return queue
