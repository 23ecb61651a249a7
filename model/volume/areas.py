"""The lesion and lung area of each slice of a volume at each threshold, counted once, in a small file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.errors import StorageError
from model.steps import THRESHOLDS, first_steps
from model.volume.extents import shared_out
from model.volume.files import SliceFiles
from model.volume.rows import SliceRow

Pixels = NDArray[np.int64]

AREAS = "areas.npz"


@dataclass(frozen=True)
class Areas:
    """Of each slice that has been read or not, from the feet to the head:

    lesion : (slices, thresholds) int64, in pixels, at each of `model.steps.THRESHOLDS`. lung : the same, lesions being
    a part of it; None where the network tells no lung. weights : (slices,) float64, what a pixel stands for.
    """

    lesion: Pixels
    lung: Pixels | None
    weights: NDArray[np.float64]

    def at(self, threshold: float) -> tuple[list[int], list[int] | None]:
        """Return the areas of lesion and of lung at one of `model.steps.THRESHOLDS`."""
        column = THRESHOLDS.index(threshold)
        lung = None if self.lung is None else [int(area) for area in self.lung[:, column]]
        return [int(area) for area in self.lesion[:, column]], lung

    def save(self, folder: Path) -> None:
        """Write them into a folder.

        Raises
        ------
        StorageError : the disk is full or cannot be written.
        """
        arrays = {"lesion": self.lesion, "weights": self.weights}
        if self.lung is not None:
            arrays["lung"] = self.lung
        try:
            with (folder / AREAS).open("wb") as stream:
                np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # NumPy types no keywords of its own.
        except OSError as exc:
            raise StorageError(f"The areas cannot be kept: {exc.strerror}. Make room, then try again.") from exc

    @classmethod
    def load(cls, folder: Path) -> Areas:
        """Read what was saved in a folder."""
        with np.load(folder / AREAS) as arrays:
            return cls(arrays["lesion"], arrays.get("lung"), arrays["weights"])


def measure_areas(files: SliceFiles, rows: Sequence[SliceRow]) -> Areas:
    """Count the pixels of a volume that was read, slice by slice."""
    lesions, lungs = [], []
    for number in range(len(rows)):
        steps, lung = files.steps(number), files.lung(number)
        lesions.append(_count(steps))
        lungs.append(None if lung is None else np.count_nonzero(lung) + _count(steps[~lung]))
    known = [lung for lung in lungs if lung is not None]
    whole = np.stack(known) if len(known) == len(lungs) else None
    return Areas(np.stack(lesions), whole, np.array(_weights(rows)))


def _count(steps: NDArray[np.uint16]) -> Pixels:
    """Return how many steps are lesion at each threshold."""
    passed = np.searchsorted(first_steps(THRESHOLDS), steps.ravel(), side="right")
    by_passed = np.bincount(passed, minlength=len(THRESHOLDS) + 1)
    return np.asarray(np.cumsum(by_passed[::-1])[::-1][1:], np.int64)


def _weights(rows: Sequence[SliceRow]) -> Sequence[float]:
    known = [row.voxel_ml for row in rows if row.voxel_ml is not None]
    return known if len(known) == len(rows) else shared_out([1.0] * len(rows), [row.is_read for row in rows])
