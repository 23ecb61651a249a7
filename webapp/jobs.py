"""Volumes that wait, are read, or were read: a folder each in the results, so that every process can tell of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import Busy, StorageError
from webapp.results import ResultStore

UPLOAD, SLICES, FILES = "upload", "slices", "files"
QUEUED, WORKING, DONE, FAILED = "queued", "working", "done", "failed"

STALLED_AFTER_S = 180.0
"""A job in work that says nothing for so long has lost its process. A slice takes seconds even by four looks."""

_ORDER, _STATUS, _CLAIMED, _LOCK = "order.json", "status.json", "claimed", ".lock"


@dataclass(frozen=True)
class Order:
    """What is to be done: how a volume is to be read, and by what name its sender knows it."""

    shown_name: str
    names: tuple[str, ...]  # of the files in the upload folder, which are numbered there
    threshold: float
    quality: bool
    as_picture: bool
    patient: bool  # whether the report names the patient


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


class JobStore:
    """The jobs of one server, among its results."""

    def __init__(self, results: ResultStore, *, longest_queue: int) -> None:
        self._results, self._longest_queue = results, longest_queue

    def create(self, order: Order, save: Callable[[Path], object]) -> str:
        """Take a job in and return its id.

        save : writes the files of the order into the folder that it is given, see `upload_names`.

        Raises
        ------
        Busy : too many are waiting already.
        StorageError : the folder cannot be written.
        """
        with self._results.adding() as (result_id, draft):
            with self._one_at_a_time():
                self.refuse_if_full()
            save(draft / UPLOAD)
            (draft / _ORDER).write_text(json.dumps(asdict(order)), encoding="utf-8")
            _write(draft, Status(QUEUED, created=time.time(), updated=time.time()))
        return result_id

    def forget(self, result_id: str) -> None:
        """Delete a job, with its files."""
        folder = self._results.folder_of(result_id)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def refuse_if_full(self) -> None:
        """Raise Busy where too many wait already."""
        if len(self.waiting()) >= self._longest_queue:
            raise Busy("Other volumes are being read, and the queue is full. Try again in a minute.")

    def status(self, result_id: str) -> Status | None:
        """Return where a job stands; None where there is no such job, or its results have expired."""
        folder = self._results.folder_of(result_id)
        if folder is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            status = Status(**json.loads((folder / _STATUS).read_text(encoding="utf-8")))
            return _stalled(status) if _is_stalled(status) else status
        return None

    def place(self, result_id: str) -> int:
        """Return a waiting job's place in the queue, from 1; 0 where it does not wait."""
        waiting = self.waiting()
        return 1 + waiting.index(result_id) if result_id in waiting else 0

    def waiting(self) -> list[str]:
        """Return the ids of the jobs that wait, the oldest first."""
        statuses = [(self.status(result_id), result_id) for result_id in self._results.ids()]
        queued = [(status.created, name) for status, name in statuses if status and status.state == QUEUED]
        return [name for _, name in sorted(queued)]

    def in_work(self) -> int:
        """Return how many jobs are being read, those apart whose process is gone."""
        statuses = map(self.status, self._results.ids())
        return sum(status is not None and status.state == WORKING for status in statuses)

    def claim(self, *, at_most: int) -> Path | None:
        """Take the oldest job that waits, unless so many are in work already; return its folder."""
        with self._one_at_a_time():
            waiting = self.waiting()
            if not waiting or self.in_work() >= at_most:
                return None
            folder = self._results.folder_of(waiting[0])
            return folder if folder is not None and begin(folder) else None

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keep other processes of this machine from counting or claiming meanwhile."""
        with self._results.root() as root, (root / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def begin(folder: Path) -> bool:
    """Mark a job as being in work; return whether it was free to be taken."""
    try:
        # Exclusive creation holds on shared file systems too, where locks may not.
        (folder / _CLAIMED).touch(exist_ok=False)
    except FileExistsError:
        return False
    now = time.time()
    _write(folder, replace(read_status(folder), state=WORKING, started=now, updated=now))
    return True


def read_order(folder: Path) -> Order:
    """Return what is to be done in a job's folder."""
    content: Mapping[str, Any] = json.loads((folder / _ORDER).read_text(encoding="utf-8"))
    return Order(**{**content, "names": tuple(content["names"])})


def read_status(folder: Path) -> Status:
    """Return what a job's folder says of where it stands."""
    return Status(**json.loads((folder / _STATUS).read_text(encoding="utf-8")))


def report(folder: Path, done: int, of: int) -> None:
    """Say how many slices are done."""
    _write(folder, replace(read_status(folder), done=done, of=of, updated=time.time()))


def finish(folder: Path) -> None:
    """Say that a job is done."""
    _write(folder, replace(read_status(folder), state=DONE, updated=time.time()))


def fail(folder: Path, error: str, sentence: str) -> None:
    """Say that a job failed, and why."""
    _write(folder, replace(read_status(folder), state=FAILED, updated=time.time(), error=error, sentence=sentence))


def _write(folder: Path, status: Status) -> None:
    draft = folder / f"{_STATUS}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(status)), encoding="utf-8")
    # Readers find the old status or the new one, never half of one. The folder's own time is that of its last news.
    draft.replace(folder / _STATUS)


def _is_stalled(status: Status) -> bool:
    return status.state == WORKING and time.time() - status.updated > STALLED_AFTER_S


def _stalled(status: Status) -> Status:
    sentence = "The server stopped while it read this volume. Upload it again."
    return replace(status, state=FAILED, error=StorageError.__name__, sentence=sentence)


def upload_names(names: Sequence[str]) -> list[str]:
    """Return what the files of an upload are called on disk: no name of a sender becomes a path."""
    return [f"{number:05d}" for number in range(len(names))]
