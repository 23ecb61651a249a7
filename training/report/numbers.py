"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

DASH = "–"


def three_digits(value: float | None) -> str:
    """Return a figure for people: three decimals, one where it is 10 or more; a dash where it is undefined."""
    if value is None:
        return DASH
    digits = f"{value:.1f}" if abs(value) >= 10.0 else f"{value:.3f}"
    return digits.replace("-", "−")


def counted(number: int, thing: str) -> str:
    """Return a number of things.

    >>> counted(1, "patient")
    '1 patient'
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def interval(ends: Sequence[float | None]) -> str:
    """Return the ends of an interval for people; a single dash where it is undefined."""
    return DASH if None in ends else f"{three_digits(ends[0])} to {three_digits(ends[1])}"
