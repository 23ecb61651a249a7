"""One slice of a volume as a row of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model.decode.ct import Place
from model.findings import Findings, Mask

_KNOWN_UNREAD = ("threshold", "height_px", "width_px", "hounsfield")


@dataclass(frozen=True)
class Side:
    """One lung: in a slice in pixels, in a volume in millilitres as well, where the spacing is known."""

    lung_px: int
    lesion_px: int
    lesion_percent_of_lung: float | None
    lung_ml: float | None = None
    lesion_ml: float | None = None


def one_lung(lung: Mask, lesion: Mask) -> Side:
    """Count the pixels of one lung, and those of them that are lesion; both (H, W) bool."""
    lung_px, lesion_px = int(np.count_nonzero(lung)), int(np.count_nonzero(lung & lesion))
    return Side(lung_px, lesion_px, percent(lesion_px, lung_px))


def percent(part: float, whole: float | None) -> float | None:
    """Return a share in percent; None where there is nothing to be a share of."""
    return 100.0 * part / whole if whole else None


@dataclass(frozen=True)
class SliceRow:
    """A slice of a volume: its number, from 1 at the feet, its findings, and either lung where they can be told.

    place : where other viewers have it. is_read : False where its file is damaged: then it shows nothing.
    extent_mm, voxel_ml : how much of the height and of the volume it stands for; None where unknown.
    """

    number: int
    findings: Findings
    right: Side | None
    left: Side | None
    place: Place = Place()
    is_read: bool = True
    extent_mm: float | None = None
    voxel_ml: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name, those of the lungs as right_... and left_..., for a row of a table.

        The millilitres are those that the slice adds to the volume's. Of a slice that was not read there are no figures
        but its size.
        """
        figures = self.findings.as_dict() | {
            "lesion_ml": self._in_ml(self.findings.lesion_area_px),
            "lung_ml": self._in_ml(self.findings.lung_area_px),
        }
        for name, side in (("right", self.right), ("left", self.left)):
            figures |= self._of_side(name, side)
        if not self.is_read:
            figures = {name: value if name in _KNOWN_UNREAD else None for name, value in figures.items()}
        head = {"slice": self.number, **asdict(self.place), "extent_mm": self.extent_mm, "is_read": self.is_read}
        return head | figures

    def _of_side(self, name: str, side: Side | None) -> dict[str, float | None]:
        return {
            f"{name}_lung_px": None if side is None else side.lung_px,
            f"{name}_lesion_px": None if side is None else side.lesion_px,
            f"{name}_lesion_percent_of_lung": None if side is None else side.lesion_percent_of_lung,
            f"{name}_lung_ml": None if side is None else self._in_ml(side.lung_px),
            f"{name}_lesion_ml": None if side is None else self._in_ml(side.lesion_px),
        }

    def _in_ml(self, pixels: int | None) -> float | None:
        return None if pixels is None or self.voxel_ml is None else pixels * self.voxel_ml
