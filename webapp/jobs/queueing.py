"""Who reads the volumes: threads of this server, or workers elsewhere whom Redis tells of them.

The jobs are in their folders in either case; Redis holds the ids of those that wait, and may forget them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flask import current_app

from model.errors import StorageError
from webapp.jobs.store import JobStore, Order
from webapp.jobs.work import work
from webapp.results import ResultStore
from webapp.segmenter import Segmenter
from webapp.settings import Settings

log = logging.getLogger(__name__)

EXTENSION = "groundglass-jobs"
REDIS_QUEUE = "groundglass"
_LOOK_EVERY_S = 0.5
_TEND_EVERY_S = 5.0
_LONGEST_WORK_S = 3600


class Queue(Protocol):
    """Takes jobs in and sees that they are done.

    stopping : set where this process is to end soon.
    """

    store: JobStore
    stopping: threading.Event

    def submit(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id; see `JobStore.create`."""

    def tend(self) -> None:
        """See to jobs whose process died, or that nobody knows of."""

    def stop(self, *, within_s: float) -> bool:
        """Read no more in this process; return whether nothing is read in it now."""


class EmbeddedQueue:
    """Jobs are done by this server: one at a time in each of its processes, and no more than there are cores."""

    def __init__(self, store: JobStore, segmenter: Segmenter) -> None:
        self.store, self._segmenter = store, segmenter
        self.stopping, self._news = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id."""
        result_id = self.store.create(order, save)
        self._news.set()
        return result_id

    def tend(self) -> None:
        """See to jobs whose process died."""
        self.store.tend()

    def work_once(self) -> bool:
        """Do the oldest job that waits; return whether there was one."""
        # First, so that no job is claimed that cannot be done.
        networks = self._segmenter.networks()
        attempt = self.store.claim(at_most=os.cpu_count() or 1)
        if attempt is None:
            return False
        attempt.stopping = self.stopping
        work(attempt, networks)
        return True

    def start(self) -> None:
        """Work from now on, in a thread; see `stop`."""
        self._thread = threading.Thread(target=self._work_on, name="volumes", daemon=True)
        self._thread.start()

    def stop(self, *, within_s: float) -> bool:
        """Stop after the slice that is being read, whose volume goes back to the queue; return whether it has ended."""
        self.stopping.set()
        self._news.set()
        if self._thread is None:
            return True
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _work_on(self) -> None:
        while not self.stopping.is_set():
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

        self.store, self.stopping = store, threading.Event()
        self._queue = RqQueue(REDIS_QUEUE, connection=Redis.from_url(settings.redis_url))

    def submit(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id.

        Raises
        ------
        Busy : too many are waiting already. StorageError : Redis does not answer.
        """
        from redis.exceptions import RedisError

        result_id = self.store.create(order, save)
        try:
            self._tell(result_id)
        except RedisError as exc:
            # Its sender is told to try again, so that it must not be read as well.
            self.store.forget(result_id)
            log.error("Redis does not answer: %s", type(exc).__name__)
            raise StorageError(
                "The server cannot take volumes now: its queue does not answer. Try again later."
            ) from exc
        return result_id

    def tend(self) -> None:
        """See to jobs whose worker died, and tell the workers of those that Redis has forgotten."""
        self.store.tend()
        known = {job.args[0] for job in self._queue.jobs}
        for result_id in self.store.waiting():
            # A worker may have just been told of one: it is then told twice, and the second finds nothing to do.
            if result_id not in known:
                self._tell(result_id)

    def stop(self, *, within_s: float) -> bool:
        """Let it be known that this process ends; workers go on."""
        self.stopping.set()
        return True

    def _tell(self, result_id: str) -> None:
        # RQ gives it an id of its own each time: two workers with the same one would delete it under each other.
        self._queue.enqueue(
            "webapp.worker.read_volume",
            result_id,
            job_timeout=_LONGEST_WORK_S,
            result_ttl=0,
            failure_ttl=_LONGEST_WORK_S,
        )


def make_queue(settings: Settings, results: ResultStore, segmenter: Segmenter) -> Queue:
    """Return the queue that the settings name."""
    store = JobStore(results, longest_queue=settings.queue)
    return RedisQueue(store, settings) if settings.redis_url else EmbeddedQueue(store, segmenter)


def start_working(queue: Queue) -> None:
    """Begin to see to the jobs in this process, and to read volumes unless workers elsewhere do."""
    threading.Thread(target=_tend_on, args=(queue,), name="tend-jobs", daemon=True).start()
    if isinstance(queue, EmbeddedQueue):
        queue.start()


def _tend_on(queue: Queue) -> None:
    while True:
        try:
            queue.tend()
        except Exception:
            # Without this thread a job whose process died would be in work for ever.
            log.exception("jobs cannot be seen to")
        time.sleep(_TEND_EVERY_S)


def current_queue() -> Queue:
    """Return the queue of the current app."""
    queue: Queue = current_app.extensions[EXTENSION]
    return queue
