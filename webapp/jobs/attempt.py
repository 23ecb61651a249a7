"""An attempt at a job: one process begins it, says that it lives, and ends it; another ends it where that one died.

Until its end an attempt writes into its own room and its own news alone. So one that was given up and comes back spoils
nothing; it finds that the job has left the stage at which it worked, and stops.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webapp.jobs.status import (
    DONE,
    FAILED,
    MOST_ATTEMPTS,
    QUEUED,
    UPLOAD,
    WORKING,
    Stage,
    find_stage,
    news_of,
    room_of,
    step,
)

log = logging.getLogger(__name__)

BEAT_S = 5.0
"""How often an attempt says that its process lives."""

STALLED_AFTER_S = 30.0
"""An attempt that says nothing for so long, six times its beat, has lost its process.

Whoever sent the volume waits for it, so it is short. A mistake costs no more than the work so far, since a process that
was only slow notices and stops; but machines that share the folder must agree on the time to a few seconds.
"""

_MADE = "made"


class Lost(Exception):
    """The job is no longer this attempt's: another may have begun it again, or it was deleted."""


class Stopped(Exception):
    """The process is to end; the job can be begun again later."""


class Attempt:
    """What the process that works on a job knows of it.

    stopping : set where the process is to end soon.
    """

    def __init__(self, folder: Path, number: int) -> None:
        """Work in a job's folder; of its attempts, this is the first or the second."""
        self.folder, self._stage = folder, Stage(WORKING, number)
        self._room, self._news_file = room_of(folder, number), news_of(folder, number)
        self.made, self.scratch = self._room / _MADE, self._room / "scratch"
        self._news: dict[str, Any] = {"started": time.time()}
        self._ended = threading.Event()
        self.stopping = threading.Event()

    def progress(self, done: int, of: int) -> None:
        """Say how many slices are done; raises Lost, and Stopped where the process is to end."""
        self._beat()
        self._tell(done=done, of=of)
        if self.stopping.is_set():
            raise Stopped

    def finish(self) -> None:
        """Say that the job is done, and bring what was made to its place; raises Lost."""
        self._end(DONE)

    def fail(self, error: str, sentence: str) -> None:
        """Say that the job failed, and why; raises Lost."""
        # What was made goes first: the disk may be full, and the sentence needs room.
        self.leave()
        self._tell(error=error, sentence=sentence)
        self._end(FAILED)

    def give_back(self) -> None:
        """Put the job back in the queue, since the process ends; raises Lost."""
        self.leave()
        # The next attempt may have the same number, and nothing to tell yet.
        self._news_file.unlink(missing_ok=True)
        # However often that happens it is not the volume's fault, so another attempt is always left.
        if not step(self.folder, self._stage, Stage(QUEUED, min(self._stage.attempts, MOST_ATTEMPTS - 1))):
            raise Lost

    def leave(self) -> None:
        """Delete what was made, and touch nothing else."""
        shutil.rmtree(self._room, ignore_errors=True)
        with contextlib.suppress(OSError):
            # It is empty where the job was deleted and a slice has made its folder anew.
            self.folder.rmdir()

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Say every few seconds that the process lives, while the block lasts."""
        thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                self._beat()
            except Lost:
                # The work meets it too, as soon as it has something to tell.
                return
            except OSError:
                log.exception("a job in work cannot say that it lives")

    def _beat(self) -> None:
        try:
            os.utime(self._stage.file_in(self.folder))
        except FileNotFoundError as exc:
            raise Lost from exc

    def _tell(self, **news: Any) -> None:
        self._news |= news
        draft = self._news_file.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(self._news), encoding="utf-8")
            # Readers find the old news or the new, never half of them.
            draft.replace(self._news_file)
        except FileNotFoundError as exc:
            raise Lost from exc

    def _end(self, state: str) -> None:
        end = Stage(state, self._stage.attempts)
        if not step(self.folder, self._stage, end):
            raise Lost
        _clear_up(self.folder, end)


def begin(folder: Path) -> Attempt | None:
    """Take a job that waits; None where it does not, or another process was faster."""
    for attempts in range(MOST_ATTEMPTS):
        waiting, working = Stage(QUEUED, attempts), Stage(WORKING, attempts + 1)
        with contextlib.suppress(FileNotFoundError):
            # Before the step: with the time at which it was put in the queue it would pass for stalled.
            os.utime(waiting.file_in(folder))
            if step(folder, waiting, working):
                return Attempt(folder, working.attempts)
    return None


def tend(folder: Path) -> None:
    """Take a job from a process that died, and clear up one that has ended; any process may, and several at once."""
    with contextlib.suppress(FileNotFoundError):  # It is no job, or was deleted.
        stage, seen = find_stage(folder)
        if stage.state == WORKING and time.time() - seen > STALLED_AFTER_S:
            stage = _give_up(folder, stage)
        if stage.finished:
            _clear_up(folder, stage)


def _give_up(folder: Path, stage: Stage) -> Stage:
    """Put a stalled job back in the queue, or let it fail; return where it stands then."""
    then = Stage(QUEUED if stage.attempts < MOST_ATTEMPTS else FAILED, stage.attempts)
    if not step(folder, stage, then):
        return stage
    log.warning("a job lost its process at attempt %d of %d", stage.attempts, MOST_ATTEMPTS)
    shutil.rmtree(room_of(folder, stage.attempts), ignore_errors=True)
    return then


def _clear_up(folder: Path, end: Stage) -> None:
    """Bring what was made to its place, and delete everything else but the news.

    A process can die in the middle of this, and another repeat it: each part of it does nothing the second time.
    """
    shutil.rmtree(folder / UPLOAD, ignore_errors=True)
    if end.state == DONE:
        _publish(room_of(folder, end.attempts) / _MADE, folder)
    for number in range(1, end.attempts + 1):
        shutil.rmtree(room_of(folder, number), ignore_errors=True)


def _publish(made: Path, folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # All is in its place already.
        # The details come last, since they tell that the rest is there.
        for part in sorted(made.iterdir(), key=lambda part: part.suffix == ".json"):
            with contextlib.suppress(FileNotFoundError):  # Another process was faster with this part.
                part.rename(folder / part.name)
