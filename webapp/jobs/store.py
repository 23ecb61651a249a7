"""Volumes that wait, are read, or were read: a folder each in the results, so that every process can tell of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.errors import Busy
from model.reading import How
from webapp.jobs.attempt import Attempt, begin, tend
from webapp.jobs.status import ORDER, QUEUED, UPLOAD, WORKING, Status, put_in_queue, read_status
from webapp.results import ResultStore

SLICES, FILES = "slices", "files"

MEDIA_TYPES = {
    ".gz": "application/gzip",
    ".dcm": "application/dicom",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".csv": "text/csv",
    ".json": "application/json",
}
"""Of a volume's files. What a system guesses of NIfTI and DICOM differs."""


@dataclass(frozen=True)
class Order:
    """What is to be done: how a volume is to be read, and by what name its sender knows it."""

    shown_name: str
    names: tuple[str, ...]  # of the files in the upload folder, which are numbered there
    threshold: float
    quality: bool
    as_picture: bool
    patient: bool  # whether the report names the patient and the file
    each_picture: bool = False  # whether each file is a picture, to be read by itself
    force: bool = False  # whether it is read even where it does not look like a chest CT

    @property
    def how(self) -> How:
        """Return what of it decides what is found."""
        return How(self.threshold, self.quality, self.force)


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
        with contextlib.ExitStack() as until_it_is_there, self._results.adding() as (result_id, draft):
            # Spares the copy where there is no place; others may still take the last one meanwhile.
            self._refuse_if_full()
            save(draft / UPLOAD)
            (draft / ORDER).write_text(json.dumps(asdict(order)), encoding="utf-8")
            put_in_queue(draft)
            # Nobody else counts before the job can be counted.
            until_it_is_there.enter_context(self._one_at_a_time())
            self._refuse_if_full()
        return result_id

    def forget(self, result_id: str) -> None:
        """Delete a job, with its files."""
        folder = self._results.folder_of(result_id)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _refuse_if_full(self) -> None:
        if len(self.waiting()) >= self._longest_queue:
            raise Busy("Other volumes are being read, and the queue is full. Try again in a minute.")

    def status(self, result_id: str) -> Status | None:
        """Return where a job stands; None where there is no such job, or its results have expired."""
        folder = self._results.folder_of(result_id)
        if folder is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            return read_status(folder)
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
        """Return how many jobs are being read."""
        statuses = map(self.status, self._results.ids())
        return sum(status is not None and status.state == WORKING for status in statuses)

    def claim(self, *, at_most: int) -> Attempt | None:
        """Take the oldest job that waits, unless so many are in work already."""
        with self._one_at_a_time():
            if self.in_work() >= at_most:
                return None
            folders = map(self._results.folder_of, self.waiting())
            attempts = (begin(folder) for folder in folders if folder is not None)
            return next((attempt for attempt in attempts if attempt is not None), None)

    def tend(self) -> None:
        """Put jobs back in the queue that have lost their process, and clear up those that have ended."""
        for folder in map(self._results.folder_of, self._results.ids()):
            if folder is not None:
                tend(folder)

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Keep other processes of this machine from counting or claiming meanwhile."""
        with self._results.root() as root:
            # The folder itself is locked, so that nothing else lies among the results.
            handle = os.open(root, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)


def read_order(folder: Path) -> Order:
    """Return what is to be done in a job's folder."""
    content: Mapping[str, Any] = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    return Order(**{**content, "names": tuple(content["names"])})


def upload_names(names: Sequence[str]) -> list[str]:
    """Return what the files of an upload are called on disk: no name of a sender becomes a path."""
    return [f"{number:05d}" for number in range(len(names))]
