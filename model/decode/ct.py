"""What decoding gives: a slice, or a volume whose slices are read one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.preprocess import WINDOW_HU, Gray, window

Affine = NDArray[np.float64]

MOST_DAMAGED = 0.1
"""Share of the slices that may be damaged; with more of them, what is measured would be a guess."""

MAX_SLICES = 3_000
"""Most slices that are read of one series or volume."""

SLICE_MM = (0.01, 100.0)
"""Smallest and largest distance of slices that is believed: of some scans only every tenth slice was kept."""


@dataclass(frozen=True)
class CtSlice:
    """One axial slice as it is displayed: rows from top to bottom, columns from left to right.

    pixels : (H, W) uint8, uint16 or float32; gray values, or Hounsfield units where `hounsfield` says so.
    value_range : the pixel values that are black and white.
    spacing_mm : height and width of a pixel in millimetres, None where the file does not say.
    notes : sentences about what was lost or guessed in reading, for the user.
    colour_share : share of the pixels, 0.0 ... 1.0, that were visibly coloured before they were read as gray.
    """

    pixels: Gray
    value_range: tuple[float, float]
    spacing_mm: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    colour_share: float = 0.0

    @property
    def hounsfield(self) -> bool:
        """Whether the pixels are Hounsfield units."""
        return self.value_range == WINDOW_HU

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def as_bytes(self) -> NDArray[np.uint8]:
        """Return the pixels as (H, W) uint8, black 0 and white 255."""
        if self.pixels.dtype == np.uint8 and self.value_range == (0.0, 255.0):
            return self.pixels.astype(np.uint8)
        return np.asarray(np.rint(255.0 * window(self.pixels, self.value_range)), np.uint8)


@dataclass(frozen=True)
class Turn:
    """How a stored slice is turned to be displayed: transposed first, then its rows or columns reversed.

    >>> Turn(transpose=False, rows=False, columns=True).apply(np.array([[1, 2]])).tolist()
    [[2, 1]]
    """

    transpose: bool
    rows: bool
    columns: bool

    def apply(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return (H, W) as displayed, of a slice as stored."""
        turned = stored.T if self.transpose else stored
        return turned[:: -1 if self.rows else 1, :: -1 if self.columns else 1]

    def undo(self, displayed: NDArray[Any]) -> NDArray[Any]:
        """Return the slice as stored, of one as displayed."""
        turned = displayed[:: -1 if self.rows else 1, :: -1 if self.columns else 1]
        return turned.T if self.transpose else turned


@dataclass(frozen=True)
class Place:
    """Where a slice is found again in other viewers; None where its file does not say.

    z_mm : how high the centre of the slice lies, to the patient's head. image_number : its number in the DICOM series.
    """

    z_mm: float | None = None
    image_number: int | None = None


@dataclass(frozen=True)
class CtVolume:
    """A stack of axial slices: from the feet to the head, each as displayed, the patient's right on the left.

    shape : (slices, H, W).
    read : slice number, counted from 0 -> slice; raises InputError where it cannot be read.
    places : of each slice.
    affine : (4, 4) float64; (column, row, slice, 1) -> (x, y, z, 1) in mm to the patient's left, back and head, as
        DICOM counts. None where the file does not say.
    extents_mm : for each slice, how much of the patient's height it stands for; None where unknown.
    sides_known : whether the file says which side of the patient is right.
    notes : sentences about what was lost, guessed or left out in reading, for the user.
    """

    shape: tuple[int, int, int]
    read: Callable[[int], CtSlice]
    affine: Affine | None
    extents_mm: tuple[float, ...] | None
    sides_known: bool
    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Height and width of a pixel in millimetres; None where unknown."""
        if self.affine is None:
            return None
        columns, rows = np.linalg.norm(self.affine[:3, :2], axis=0)
        return float(rows), float(columns)
