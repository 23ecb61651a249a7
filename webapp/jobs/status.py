"""Where a job stands: the name of one file in its folder.

    queued-0 -> working-1 -> done-1 | failed-1
                working-1 -> queued-1 -> working-2 -> done-2 | failed-2    where the first attempt lost its process
                                         working-2 -> queued-1             where the second was told to stop

The number counts how often the job was begun, but for a second attempt that was told to stop. Each step is a rename,
which one process alone can make, on shared file systems too. The time of the file is the last sign of life.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from model.errors import StorageError

QUEUED, WORKING, DONE, FAILED = "queued", "working", "done", "failed"
UPLOAD, ORDER = "upload", "order.json"

MOST_ATTEMPTS = 2
"""A job is begun again once: what ends its process twice may be the volume, and would end it for ever."""

WAITS_AT_MOST_S = 6 * 3600.0
"""A job that nobody has taken care of for so long is deleted like a result."""

_STOPPED_TWICE = (
    "The server stopped twice while it read this volume. It may be the volume: if other volumes are read, tell whoever "
    "runs the server."
)


class Stage(NamedTuple):
    """A state, and how often the job was begun until then."""

    state: str
    attempts: int

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (DONE, FAILED)

    def file_in(self, folder: Path) -> Path:
        """Return the file that says of a job that it stands here."""
        return folder / f"{self.state}-{self.attempts}"


# A job goes on to later stages, so whoever looks in this order cannot miss it on its way. One that is put back on the
# way is met at a second look.
_IN_ORDER = (
    Stage(QUEUED, 0),
    Stage(WORKING, 1),
    Stage(QUEUED, 1),
    Stage(WORKING, 2),
    *(Stage(state, attempts) for attempts in (1, 2) for state in (DONE, FAILED)),
)


def put_in_queue(folder: Path) -> None:
    """Make a job of a folder that holds an order and its upload."""
    Stage(QUEUED, 0).file_in(folder).touch()


def find_stage(folder: Path) -> tuple[Stage, float]:
    """Return the stage of a job and its last sign of life, in seconds since the epoch.

    Raises
    ------
    FileNotFoundError : the folder holds no job, or is gone.
    """
    for stage in (*_IN_ORDER, *_IN_ORDER):
        with contextlib.suppress(FileNotFoundError):
            return stage, stage.file_in(folder).stat().st_mtime
    raise FileNotFoundError(folder)


def step(folder: Path, here: Stage, there: Stage) -> bool:
    """Bring a job from one stage to another; return whether it was this process that did."""
    try:
        here.file_in(folder).rename(there.file_in(folder))
    except FileNotFoundError:
        return False
    return True


def room_of(folder: Path, attempt: int) -> Path:
    """Return the folder for what an attempt makes: its own, so that one that comes back late disturbs no other."""
    return folder / f"attempt-{attempt}"


def news_of(folder: Path, attempt: int) -> Path:
    """Return the file in which an attempt tells how far it is, and what went wrong."""
    return folder / f"attempt-{attempt}.json"


@dataclass(frozen=True)
class Status:
    """What is told of a job; times in seconds since the epoch."""

    state: str
    attempts: int = 0  # how often it was begun
    done: int = 0
    of: int | None = None  # None until the volume is opened
    created: float = 0.0
    started: float | None = None
    updated: float = 0.0
    error: str | None = None  # the class of the error, for its HTTP status
    sentence: str | None = None  # what is told of it

    @property
    def begun_again(self) -> bool:
        """Whether an attempt was cut off before, so that this is another, or another is waited for."""
        return self.attempts > (0 if self.state == QUEUED else 1)

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest will take at the pace so far; None where that is unknown yet."""
        if self.state != WORKING or self.started is None or not self.done or self.of is None:
            return None
        return (self.updated - self.started) / self.done * (self.of - self.done)


def read_status(folder: Path) -> Status:
    """Return what is told of a job.

    Raises
    ------
    FileNotFoundError : the folder holds no job, or is gone.
    """
    # The order is written once, when the job is taken in.
    created = (folder / ORDER).stat().st_mtime
    stage, updated = find_stage(folder)
    status = Status(stage.state, stage.attempts, created=created, updated=updated)
    if stage.state == QUEUED:
        return status
    with contextlib.suppress(FileNotFoundError):
        status = replace(status, **json.loads(news_of(folder, stage.attempts).read_text(encoding="utf-8")))
    if stage.state == DONE and room_of(folder, stage.attempts).exists():
        # What was made is still being brought to its place.
        return replace(status, state=WORKING)
    if stage.state == FAILED and status.sentence is None:
        return replace(status, error=StorageError.__name__, sentence=_STOPPED_TWICE)
    return status


def is_waited_for(folder: Path) -> bool:
    """Whether a folder holds a job that waits or is in work, which must not be swept however old it is."""
    try:
        stage, seen = find_stage(folder)
    except OSError:
        return False
    return not stage.finished and time.time() - seen < WAITS_AT_MOST_S
