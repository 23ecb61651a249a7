"""Uploads are read in a process apart, with limits of memory and time: a hostile file costs one request, no server.

The process holds no secret of the server, none of its sockets and no more than one upload at a time. What it says is
checked by `model.decode.answers`.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from model.decode import answers
from model.decode.answers import MAX_MESSAGE_BYTES, Message, Take
from model.decode.apart import MAX_SECONDS
from model.decode.ct import CtSlice
from model.decode.deadlines import DEADLINES
from model.decode.kinds import SourceFile, shown
from model.decode.repeated import Elements
from model.decode.study import Study
from model.errors import Busy, DamagedImage, TooLarge

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What reading one upload may take.

    memory_mb : of address space, in millions of bytes; 340 of them are the libraries.
    open_s : seconds until the upload is unpacked and its headers are read, or its only picture.
    slice_s : seconds for each slice of a volume.
    """

    memory_mb: int
    open_s: float
    slice_s: float


SLICE = Limits(memory_mb=2_000, open_s=30.0, slice_s=30.0)
"""For one picture or DICOM file. A PNG of 20 million random pixels with colours and transparency takes 930 MB and, on a
busy machine of two cores, 6 seconds."""

VOLUME = Limits(memory_mb=4_000, open_s=300.0, slice_s=MAX_SECONDS + 20.0)
"""A file of 2,000 MB is mapped as a whole, and unpacked or searched for headers first. A slice takes longer than its
compressed pixels may, see `model.decode.apart`."""

MAX_FILES = 500
"""After so many uploads the process is replaced: what its libraries lose or keep goes with it."""

PIPE_BYTES = 1024 * 1024
"""Of what is asked and said; the system gives 64 kB, and to nobody but root more than this."""

START_S = 60.0
"""How long the process may take to start on a machine that is busy; usually half a second."""

MOST_REOPENED = 3
"""How often a volume is opened again because the process died over a slice. Each time its headers are read again."""

_MALFORMED = (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""What an answer that breaks off or is none raises."""

_PACKAGE = Path(__file__).parents[2]

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""The environment holds keys and addresses, which whoever takes the process over must not find there."""


class Reader:
    """Reads uploads, one after the other, in a process that is started again when it died, hung or grew old.

    Several threads may ask; they wait for each other.
    """

    def __init__(self, limits: Limits = SLICE) -> None:
        self._limits, self._lock = limits, threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Reader] | None = None
        self._open: _Upload | None = None
        self._is_ready, self._files = False, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Return the number of the process, where there is one."""
        return None if self._process is None else self._process.pid

    def warm_up(self) -> None:
        """Start the process now, without waiting until it is ready.

        Raises
        ------
        Busy : no process can be started.
        """
        with self._lock:
            self._started()

    def close(self) -> None:
        """End the process, where there is one; it ends by itself with its reader."""
        with self._lock:
            if self._end is not None:
                self._end()
            self._process, self._is_ready, self._files, self._open = None, False, 0, None

    def decode_picture(self, data: bytes) -> CtSlice:
        """Read a picture file; see `model.decode.picture.decode_picture`.

        Raises
        ------
        InputError : also where reading it takes too long, or ends the process. Busy : no process can be started.
        """
        question = {"ask": "picture", "bytes": len(data)}
        return self._begin(None, question, answers.as_slice, data)

    def open_study(self, sources: Sequence[SourceFile], folder: Path, *, as_picture: bool = False) -> Study:
        """Read an upload; see `model.decode.study.open_study`. The slices of a volume are read by this reader too.

        Raises
        ------
        InputError, Busy : as `decode_picture`. StorageError : there is no room to unpack it.
        """
        return _Upload(self, sources, folder, as_picture=as_picture).open()

    def open(self, upload: _Upload, question: Message, take: Take[T]) -> T:
        """Ask what an upload holds, from now on the open one."""
        return self._begin(upload, question, take)

    def has_open(self, upload: _Upload) -> bool:
        """Whether questions about slices are understood as those of an upload."""
        return self._open is upload and self._process is not None and self._process.poll() is None

    def ask_about(self, upload: _Upload, question: Message, take: Take[T]) -> T:
        """Ask about the open upload."""
        with self._lock:
            if not self.has_open(upload):
                raise _ended()
            return self._ask(question, take, self._limits.slice_s)

    def _begin(self, upload: _Upload | None, question: Message, take: Take[T], data: bytes = b"") -> T:
        """Ask the first question about a file, which a process that is gone by then has not seen: another gets it."""
        with self._lock:
            for _ in range(2):
                self._next_file(upload)
                try:
                    return self._ask(question, take, self._limits.open_s, data)
                except DamagedImage as exc:
                    # It takes the whole file before it looks at any of it.
                    if not isinstance(exc.__cause__, BrokenPipeError):
                        raise
            raise _not_started()

    def _next_file(self, upload: _Upload | None) -> None:
        if self._files >= MAX_FILES:
            self.close()
        self._started()
        self._files += 1
        self._open = upload

    def _ask(self, question: Message, take: Take[T], seconds: float, data: bytes = b"") -> T:
        """Ask a question and return what `take` makes of the answer."""
        process, until = self._ready(), time.monotonic() + seconds
        try:
            with _ending(process, after_s=seconds):
                message = _exchange(process, json.dumps(question).encode() + b"\n" + data)
                if message["kind"] != "error":
                    return take(message, _pipes(process)[1].readinto)
                error = answers.as_error(message)
        except _MALFORMED as exc:
            is_late = time.monotonic() >= until
            log.warning("an upload ended the process that read it: %s", "too slow" if is_late else type(exc).__name__)
            self.close()
            raise (_too_slow(seconds) if is_late else _ended()) from exc
        if error is None:
            log.error("an upload could not be read: %s", shown(str(message["sentence"]), 200))
            raise _ended()
        raise error

    def _ready(self) -> subprocess.Popen[bytes]:
        """Return the process once it has loaded what it needs; an upload's time begins then."""
        process = self._started()
        if not self._is_ready:
            with _ending(process, after_s=START_S):
                said = _pipes(process)[1].readline(MAX_MESSAGE_BYTES)
            if not said:
                self.close()
                log.error("the process that reads uploads does not start")
                raise _not_started()
            self._is_ready = True
        return process

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = _start(self._limits)
            self._end = weakref.finalize(self, _stop, self._process)
        return self._process


class _Upload:
    """An upload that was opened; it is opened again where its process died over a slice, or has read another since."""

    def __init__(self, reader: Reader, sources: Sequence[SourceFile], folder: Path, *, as_picture: bool) -> None:
        self._reader, self._folder = reader, folder
        files = [(str(source.path.absolute()), source.name) for source in sources]
        self._question = {"ask": "open", "sources": files, "as_picture": as_picture}
        self._said: Message | None = None
        self._reopened = 0

    def open(self) -> Study:
        """Return what the upload holds."""
        return self._reader.open(self, self._question | {"folder": str(self._folder.absolute())}, self._study)

    def _study(self, message: Message, fill: answers.Fill) -> Study:
        if message["kind"] == "slice":
            return answers.as_slice(message, fill)
        if self._said not in (None, message):
            raise ValueError("the volume has changed")
        self._said = message
        return answers.as_study(message, self._read, self._header, self._patient)

    def _read(self, number: int) -> CtSlice:
        return self._about({"ask": "slice", "number": number}, answers.as_slice)

    def _header(self, number: int) -> Elements:
        return self._about({"ask": "header", "number": number}, answers.as_elements)

    def _patient(self) -> str:
        return self._about({"ask": "patient"}, answers.as_text)

    def _about(self, question: Message, take: Take[T]) -> T:
        if not self._reader.has_open(self):
            self._reopen()
        return self._reader.ask_about(self, question, take)

    def _reopen(self) -> None:
        if self._reopened >= MOST_REOPENED:
            raise _ended()
        self._reopened += 1
        # What was unpacked before stays, since files of the same names would be in the way.
        folder = self._folder / f"again-{self._reopened}"
        self._reader.open(self, self._question | {"folder": str(folder.absolute())}, self._study)


def _start(limits: Limits) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # One thread: each would take memory of its own, and there is nothing to calculate.
    environment |= {"PYTHONPATH": str(_PACKAGE), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    seconds = math.ceil(max(limits.open_s, limits.slice_s))
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "model.decode.reader_process", str(limits.memory_mb), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            # A group of its own: it is ended together with the decoder that it started itself.
            start_new_session=True,
        )
    except OSError as exc:
        log.error("the process that reads uploads does not start: %s", exc.strerror)
        raise _not_started() from exc
    for pipe in _pipes(process):
        _widen(pipe)
    return process


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a slice of 512×512: each time that it is full, one process waits for the other."""
    # Only Linux has sizes to choose, and a bound on all pipes of a user.
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _stop(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    # It closes the pipes and waits; what was not written yet is lost.
    with contextlib.suppress(OSError), process:
        pass


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Not where it has been waited for: the number may be another's by now.
    if process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


def _ending(process: subprocess.Popen[bytes], *, after_s: float) -> AbstractContextManager[None]:
    """End a process where the block takes too long."""
    return DEADLINES.within(after_s, lambda: _kill(process))


def _exchange(process: subprocess.Popen[bytes], question: bytes) -> Message:
    questions, said = _pipes(process)
    questions.write(question)
    questions.flush()
    return answers.parse(said.readline(MAX_MESSAGE_BYTES))


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], io.BufferedReader]:
    if process.stdin is None or not isinstance(process.stdout, io.BufferedReader):
        raise ValueError("the process was started without pipes")
    return process.stdin, process.stdout


def _not_started() -> Busy:
    return Busy("The server cannot read files now. Try again in a minute.")


def _too_slow(seconds: float) -> TooLarge:
    return TooLarge(
        f"Reading this file took longer than {seconds:.0f} seconds, the most that is spent on one. Export it again, "
        "or send a smaller one."
    )


def _ended() -> DamagedImage:
    return DamagedImage(
        "The file is damaged in a way that ended the process that read it. Export it again, or check that the upload "
        "was complete."
    )
