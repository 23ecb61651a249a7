"""Large pictures piece by piece: what is calculated pixel by pixel takes the memory of one piece."""

from __future__ import annotations

from collections.abc import Iterator

PIXELS = 1 << 18
"""Of one piece, those of a slice of 512 by 512: a few megabytes in floating point."""


def pieces(pixels: int) -> Iterator[slice]:
    """Give the places of so many pixels, PIXELS at a time.

    >>> list(pieces(PIXELS + 1)) == [slice(0, PIXELS), slice(PIXELS, PIXELS + 1)]
    True
    """
    return (slice(first, min(first + PIXELS, pixels)) for first in range(0, pixels, PIXELS))
