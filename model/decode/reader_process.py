"""Reads uploads for `model.decode.guarded`, which starts it: python -m model.decode.reader_process MEMORY_MB SECONDS.

Each line on its input is a question in JSON; a picture's bytes follow theirs. Each answer is a line of JSON, and after
a slice its pixels; see `model.decode.answers`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

from model.decode.answers import Message, answer_of, of_error, of_slice
from model.decode.archive import MAX_UNPACKED_MB
from model.decode.kinds import SourceFile
from model.decode.picture import decode_picture
from model.decode.repeated import DicomGrid
from model.decode.study import VolumeStudy, open_study
from model.errors import TooLarge

Answer = tuple[Message, bytes]

MAX_OPEN_FILES = 64
"""One file is read at a time; the rest is room for what Python opens."""


def main() -> None:
    """Answer until the input ends."""
    memory_mb, seconds = int(sys.argv[1]), int(sys.argv[2])
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _limit(memory_mb)
    reader = _Reader()
    # Before the first question, so that whoever asks it need not wait.
    _say(answers, ({"kind": "ready"}, b""))
    while line := sys.stdin.buffer.readline():
        _limit_processor(seconds)
        _say(answers, reader.answer(json.loads(line), sys.stdin.buffer))


def _limit(memory_mb: int) -> None:
    """Bound what a hostile file can take; a system that does not know one of the limits goes without it."""
    limits = {
        # Not held by macOS, where the number of pixels and bytes that are read is all that bounds the memory.
        resource.RLIMIT_AS: memory_mb * 1_000_000,
        resource.RLIMIT_FSIZE: (MAX_UNPACKED_MB + 1) * 1_000_000,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        # A crash is foreseen and leaves no image of its memory behind, which holds the scan.
        resource.RLIMIT_CORE: 0,
    }
    for which, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (limit, limit))


def _limit_processor(seconds: int) -> None:
    """End this process where a question takes so many seconds more: whoever asked may have died and stop it no more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds + 1
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


class _Reader:
    """Answers questions, of which those on slices and headers are about the upload that was opened last."""

    def __init__(self) -> None:
        self._study: VolumeStudy | None = None

    def answer(self, question: Message, content: BinaryIO) -> Answer:
        """Return the answer; errors are answers too."""
        data = content.read(question["bytes"]) if question["ask"] == "picture" else b""
        try:
            return self._answer(question, data)
        except MemoryError:
            return of_error(TooLarge("Reading this file needs more memory than one file is given.")), b""
        # What a damaged file raises is not to be foreseen.
        except Exception as exc:
            return of_error(exc), b""

    def _answer(self, question: Message, data: bytes) -> Answer:
        match question["ask"]:
            case "picture":
                return of_slice(decode_picture(data))
            case "open":
                return self._open(question)
            case "slice":
                return of_slice(self._opened().volume.read(question["number"]))
            case "header":
                return {"kind": "elements", "elements": self._grid().header(question["number"])}, b""
            case "patient":
                return {"kind": "text", "text": self._grid().patient()}, b""
        raise ValueError("an unknown question")

    def _open(self, question: Message) -> Answer:
        self._study = None
        sources = [SourceFile(Path(path), name) for path, name in question["sources"]]
        study = open_study(sources, Path(question["folder"]), as_picture=question["as_picture"])
        self._study = study if isinstance(study, VolumeStudy) else None
        return answer_of(study)

    def _opened(self) -> VolumeStudy:
        if self._study is None:
            raise ValueError("nothing is open")
        return self._study

    def _grid(self) -> DicomGrid:
        origin: Any = self._opened().origin
        if not isinstance(origin, DicomGrid):
            raise ValueError("no series is open")
        return origin


def _say(answers: BinaryIO, answer: Answer) -> None:
    message, pixels = answer
    answers.write(json.dumps(message).encode() + b"\n")
    answers.write(pixels)
    answers.flush()


if __name__ == "__main__":
    # Whoever presses Ctrl-C ends the server, and this process by it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
