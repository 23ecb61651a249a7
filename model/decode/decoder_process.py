"""Decodes DICOM files that are named on its input, each by a line of JSON; `model.decode.apart` starts it.

An answer is a line of JSON, the shape of the array or null, and then the array as float32. It is null as well where the
decoder gave an array but said that the data are corrupt: it fills what it could not read with what comes to hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import sys
import tempfile
import warnings
from io import FileIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

MAX_MEMORY_MB = 4_000

MAX_SECONDS = 90
"""Of the processor's time for one file: `model.decode.apart` waits no longer than a minute."""

MAX_COMPLAINT_BYTES = 1_000_000

_COMPLAINT = re.compile(rb"corrupt(?!.*signed arithmetic)|premature", re.IGNORECASE)
"""What libjpeg prints of pixels that it could not read. Of signed arithmetic nothing is lost: encoders differ."""


def main() -> None:
    """Answer until the input ends."""
    # What the decoders print must not get among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _limit(resource.RLIMIT_AS, MAX_MEMORY_MB * 1_000_000)
    # Of a decoder that complains without end, no more is kept.
    _limit(resource.RLIMIT_FSIZE, MAX_COMPLAINT_BYTES)
    # A crash is foreseen and leaves no image of its memory behind.
    _limit(resource.RLIMIT_CORE, 0)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryFile(buffering=0) as complaints:
        # C++ prints past Python's sys.stderr.
        os.dup2(complaints.fileno(), 2)
        for line in sys.stdin:
            _limit_processor()
            pixels = _decode(json.loads(line))
            _answer(answers, None if _has_complained(complaints) else pixels)


def _limit(which: int, limit: int) -> None:
    """Set a limit, or leave the one that is set where that is lower; a system that does not know it goes without."""
    highest = resource.getrlimit(which)[1]
    limit = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (limit, highest))


def _limit_processor() -> None:
    """End this process where a file takes so many seconds more: whoever asked may have died and stop it no more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + MAX_SECONDS)


def _decode(path: str) -> NDArray[np.float32] | None:
    try:
        return np.ascontiguousarray(dcmread(path, force=True).pixel_array, np.float32)
    # What damaged pixels raise is not to be foreseen; the reader says that they are damaged.
    except Exception:
        return None


def _has_complained(complaints: FileIO) -> bool:
    """Whether the decoder said that data are damaged since this was last asked."""
    complaints.seek(0)
    said = complaints.read()
    # The next file is not blamed for this one.
    complaints.seek(0)
    complaints.truncate()
    return _COMPLAINT.search(said) is not None


def _answer(answers: BinaryIO, pixels: NDArray[np.float32] | None) -> None:
    answers.write(json.dumps(None if pixels is None else pixels.shape).encode() + b"\n")
    if pixels is not None:
        answers.write(pixels.tobytes())
    answers.flush()


if __name__ == "__main__":
    main()
