"""The threshold as people give it: in a form, an address, or on the command line. Imports nothing heavy."""

from __future__ import annotations

from model.errors import InvalidOption

DEFAULT_THRESHOLD = 0.5


def parse_threshold(text: str) -> float:
    """Read the probability from which a pixel counts as lesion.

    Raises
    ------
    InvalidOption : it is no number above 0 and below 1.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise InvalidOption(
            f"The threshold {text[:20]!r} is not a number above 0 and below 1. Try {DEFAULT_THRESHOLD}."
        )
    return value
