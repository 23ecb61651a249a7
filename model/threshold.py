"""The threshold as people give it: in a form, an address, or on the command line. Imports nothing heavy."""

from __future__ import annotations

import math
import re

from model.errors import InvalidOption

DEFAULT_THRESHOLD = 0.5

# As people and programs write one. Python would take 1_0 as well, and the digits of every script.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def parse_number(text: str) -> float:
    """Read a number with a decimal point, spaces around it allowed; NaN where it is none, or too large to be one.

    >>> parse_number(" 1e-1 "), parse_number("1_0"), parse_number("inf")
    (0.1, nan, nan)
    """
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    return value if math.isfinite(value) else math.nan


def parse_threshold(text: str) -> float:
    """Read the probability from which a pixel counts as lesion.

    Raises
    ------
    InvalidOption : it is no number above 0 and below 1.
    """
    value = parse_number(text)
    if not 0.0 < value < 1.0:
        raise InvalidOption(
            f"The threshold {text[:20]!r} is not a number above 0 and below 1. Try {DEFAULT_THRESHOLD}."
        )
    return value
