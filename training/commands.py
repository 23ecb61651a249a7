"""What the commands share: options checked while they are read, and errors as a sentence instead of a traceback.

with sentences(parser):
    ...
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from model.errors import GroundglassError
from model.options import whole


@contextlib.contextmanager
def sentences(parser: argparse.ArgumentParser) -> Iterator[None]:
    """End the program with status 1 and the sentence of what went wrong inside, on standard error."""
    try:
        yield
    except (GroundglassError, OSError, ValueError) as exc:
        parser.exit(1, f"{_sentence(exc)}\n")


def _sentence(exc: Exception) -> str:
    """Return what an error says; that of the operating system without its number."""
    if isinstance(exc, OSError) and exc.filename is not None and exc.strerror:
        return f"{exc.filename}: {exc.strerror}"
    return str(exc)


def count(text: str) -> int:
    """Read a whole number of 0 or more, for argparse."""
    number = whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of 0 or more, got {text!r}")
    return number


def input_size(text: str) -> int:
    """Read the side of a network's input, for argparse; see `model.network.build_network`."""
    size = whole(text)
    if size < 32 or size % 32:
        raise argparse.ArgumentTypeError(f"must be a positive multiple of 32, got {text!r}")
    return size


def temperature(text: str) -> float:
    """Read a temperature, for argparse: finite and above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    # Written so that NaN fails too.
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value
