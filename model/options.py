"""Options of the command line, checked as they are read, for argparse. Imports nothing heavy."""

from __future__ import annotations

import argparse

from model.batch.shard import Shard, parse_shard
from model.errors import InvalidOption
from model.threshold import parse_number, parse_threshold


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


def count(text: str) -> int:
    """Read a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """Read a duration above 0."""
    value = parse_number(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, got {text!r}")
    return value
