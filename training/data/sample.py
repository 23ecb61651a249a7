"""One slice with its masks, as it is read, augmented and encoded."""

from __future__ import annotations

from dataclasses import dataclass

from training.data.strokes import ByteImage

UNKNOWN = 128
"""The value of a mask where nobody knows: neither foreground nor background, and without weight in training."""


@dataclass(frozen=True)
class Sample:
    """One slice with its masks, all (H, W) uint8; masks are 0, 255 or UNKNOWN; lung is None where it was not drawn.

    `beside` are its neighbours in the scan, where they are known; they have none themselves.
    """

    image: ByteImage
    lesion: ByteImage
    lung: ByteImage | None
    beside: tuple[Sample, ...] = ()
