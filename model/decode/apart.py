"""Compressed pixels are decoded in a process apart: damaged ones bring the decoders, written in C++, down."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from model.decode.deadlines import DEADLINES

FloatArray = NDArray[np.float32]

MAX_SECONDS = 60.0
"""How long one slice may take."""

MAX_VALUES = 100_000_000

_PROGRAM = Path(__file__).with_name("decoder_process.py")


class Decoder:
    """Decodes one file after the other. Its process starts when it is first needed, and again when it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[[subprocess.Popen[bytes]], Decoder] | None = None

    def decode(self, path: Path) -> FloatArray | None:
        """Return a DICOM file's pixels as stored, (H, W) or (H, W, 3) float32; None where they cannot be decoded."""
        with self._lock:
            process = self._running()
            try:
                with DEADLINES.within(MAX_SECONDS, process.kill):
                    return _ask(process, path)
            except (OSError, ValueError):
                self.close()
                return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = _start()
            self._end = weakref.finalize(self, _stop, self._process)
        return self._process

    def close(self) -> None:
        """End the process, where there is one; it ends by itself with its decoder."""
        if self._end is not None:
            self._end()
        self._process = None


def _start() -> subprocess.Popen[bytes]:
    # -P: the modules beside the program must not stand in for others of the same name.
    return subprocess.Popen(
        [sys.executable, "-P", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    # It closes the pipes and waits; what was not written yet is lost.
    with contextlib.suppress(OSError), process:
        pass


def _ask(process: subprocess.Popen[bytes], path: Path) -> FloatArray | None:
    """Return the answer of the process.

    Raises
    ------
    OSError, ValueError : it has died.
    """
    questions, answers = _pipes(process)
    questions.write(json.dumps(str(path)).encode() + b"\n")
    questions.flush()
    shape = json.loads(answers.readline())
    if shape is None:
        return None
    if math.prod(shape) > MAX_VALUES:
        raise ValueError("the answer is too large")
    content = answers.read(4 * math.prod(shape))
    return np.frombuffer(content, np.float32).reshape(shape)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process was started without pipes")
    return process.stdin, process.stdout
