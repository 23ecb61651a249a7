"""Where a job stands: a file in its folder, replaced whole, so that every process can tell."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import StorageError

log = logging.getLogger(__name__)

QUEUED, WORKING, DONE, FAILED = "queued", "working", "done", "failed"

BEAT_S = 5.0
"""How often a job in work says that its process lives."""

STALLED_AFTER_S = 60.0
"""A job in work that says nothing for so long has lost its process."""

WAITS_AT_MOST_S = 6 * 3600.0
"""A job that nobody has begun after so long is deleted like a result."""

_STATUS, _CLAIMED = "status.json", "claimed"


@dataclass(frozen=True)
class Status:
    """Where a job stands; times in seconds since the epoch."""

    state: str
    done: int = 0
    of: int | None = None  # None until the volume is opened
    created: float = 0.0
    started: float | None = None
    updated: float = 0.0
    error: str | None = None  # the class of the error, for its HTTP status
    sentence: str | None = None  # what is told of it

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (DONE, FAILED)

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest will take at the pace so far; None where that is unknown yet."""
        if self.state != WORKING or self.started is None or not self.done or self.of is None:
            return None
        return (self.updated - self.started) / self.done * (self.of - self.done)

    @property
    def is_stalled(self) -> bool:
        """Whether the job is in work by its status, but has lost its process."""
        return self.state == WORKING and time.time() - self.updated > STALLED_AFTER_S


def begin(folder: Path) -> bool:
    """Mark a job as being in work; return whether it was free to be taken."""
    try:
        # Exclusive creation holds on shared file systems too, where locks may not.
        (folder / _CLAIMED).touch(exist_ok=False)
    except FileExistsError:
        return False
    now = time.time()
    try:
        write_status(folder, replace(read_status(folder), state=WORKING, started=now, updated=now))
    except OSError:
        (folder / _CLAIMED).unlink(missing_ok=True)
        raise
    return True


def is_waited_for(folder: Path) -> bool:
    """Whether a folder holds a job that waits or is in work, which must not be swept however old it is."""
    try:
        status = read_status(folder)
    except (OSError, ValueError):
        return False
    if status.state == QUEUED:
        return time.time() - status.created < WAITS_AT_MOST_S
    return status.state == WORKING and not status.is_stalled


def read_status(folder: Path) -> Status:
    """Return what a job's folder says of where it stands."""
    return Status(**json.loads((folder / _STATUS).read_text(encoding="utf-8")))


class Report:
    """What a job in work tells of itself. Its folder may be gone: then there is nobody left to tell."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._ended = threading.Event()

    def progress(self, done: int, of: int) -> None:
        """Say how many slices are done."""
        self._say(done=done, of=of)

    def finish(self) -> None:
        """Say that the job is done."""
        self._say(state=DONE)

    def fail(self, error: str, sentence: str) -> None:
        """Say that the job failed, and why."""
        self._say(state=FAILED, error=error, sentence=sentence)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Say every few seconds that the process lives, while the block lasts."""
        thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            self._say()

    def _say(self, **news: Any) -> None:
        # The heart beats in a thread of its own; neither may write what the other has just outdated.
        with self._lock:
            try:
                write_status(self._folder, replace(read_status(self._folder), updated=time.time(), **news))
            except FileNotFoundError:
                log.info("a job in work was deleted")


def write_status(folder: Path, status: Status) -> None:
    """Say where a job stands, whole or not at all."""
    draft = folder / f"{_STATUS}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(status)), encoding="utf-8")
    # Readers find the old status or the new one, never half of one. The folder's own time is that of its last news.
    draft.replace(folder / _STATUS)


def told_as_failed(status: Status) -> Status:
    """Return what is told of a job that has lost its process."""
    sentence = "The server stopped while it read this volume. Upload it again."
    return replace(status, state=FAILED, error=StorageError.__name__, sentence=sentence)
