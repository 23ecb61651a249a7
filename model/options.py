"""Options of the command line, checked as they are read, for argparse. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path

from model.batch.shard import Shard, parse_shard
from model.errors import InvalidOption
from model.threshold import DEFAULT_THRESHOLD, parse_number, parse_threshold


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a study is read, whichever command reads it."""
    parser.add_argument(
        "--threshold", type=threshold, default=DEFAULT_THRESHOLD, metavar="T", help="0 < T < 1 (default: %(default)s)"
    )
    parser.add_argument(
        "--quality", action="store_true", help="average four looks at each slice: more accurate, four times slower"
    )
    parser.add_argument(
        "--force", action="store_true", help="read what does not look like a chest CT, too; its files carry the warning"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help=".xml, .h5, .hdf5 or .keras (default: shipped); the answers of several networks are averaged",
    )


def threshold(text: str) -> float:
    """Read a threshold; argparse shows the sentence of this one kind of error only."""
    try:
        return parse_threshold(text)
    except InvalidOption as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def shard(text: str) -> Shard:
    """Read a part of a batch."""
    try:
        return parse_shard(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def at_least_one(text: str) -> int:
    """Read a whole number of 1 or more."""
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return number


def seconds(text: str) -> float:
    """Read a duration above 0."""
    value = parse_number(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, got {text!r}")
    return value


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; an IPv6 address stands in brackets.

    >>> address("[::1]:5000")
    ('::1', 5000)
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare and bare == host) or not 0 < whole(port) < 65536:
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, such as 10.0.0.1:5000, got {text!r}")
    return bare, int(port)


def cluster(text: str) -> str:
    """Read the address of a Ray cluster."""
    if text != "auto":
        try:
            address(text)
        except argparse.ArgumentTypeError as exc:
            told = f"must be auto or HOST:PORT, such as 10.0.0.1:6379, got {text!r}"
            raise argparse.ArgumentTypeError(told) from exc
    return text


def whole(text: str) -> int:
    """Return a whole number, -1 for what is none."""
    try:
        return int(text)
    except ValueError:
        return -1
