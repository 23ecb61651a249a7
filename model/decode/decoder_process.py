"""Decodes DICOM files that are named on its input, each by a line of JSON; `model.decode.apart` starts it.

An answer is a line of JSON, the shape of the array or null, and then the array as float32.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

MAX_MEMORY_MB = 4_000


def main() -> None:
    """Answer until the input ends."""
    # What the decoders print must not get among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_MB * 1_000_000,) * 2)
    # A crash is foreseen and leaves no image of its memory behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        _answer(answers, _decode(json.loads(line)))


def _decode(path: str) -> NDArray[np.float32] | None:
    try:
        return np.ascontiguousarray(dcmread(path, force=True).pixel_array, np.float32)
    # What damaged pixels raise is not to be foreseen; the reader says that they are damaged.
    except Exception:
        return None


def _answer(answers: BinaryIO, pixels: NDArray[np.float32] | None) -> None:
    answers.write(json.dumps(None if pixels is None else pixels.shape).encode() + b"\n")
    if pixels is not None:
        answers.write(pixels.tobytes())
    answers.flush()


if __name__ == "__main__":
    main()
