"""Volumes as model.decode reads them -> stacks of slices for a training set.

Serving says what it lost, guessed or left out, in notes; here any such note is an error.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from model.decode.ct import CtVolume
from model.decode.dicom import AIR_AT_MOST_HU
from model.decode.kinds import SourceFile
from model.decode.nifti import read_nifti
from model.decode.nifti_values import HU_LIMITS, TISSUE_AT_LEAST_HU
from model.errors import GroundglassError
from model.preprocess import window

SHIFT_AT_MOST_MM = 1.0
"""How far a corner of a mask may lie from that of its scan: headers are rounded."""

_LABELS = (0.0, 1.0)


@dataclass(frozen=True)
class Volume:
    """A stack of axial slices.

    values : (slices, H, W) float32; slices from the feet to the head, rows from front to back of the patient, columns
        from the patient's right to the left: as displayed.
    corners_mm : (8, 3) float64, the corners of the stack in the patient's coordinates (left, back, head positive).
    """

    values: NDArray[np.float32]
    corners_mm: NDArray[np.float64]


def read_volume(path: Path, *, labels: bool = False) -> Volume:
    """Read a NIfTI file.

    Parameters
    ----------
    labels : it is a mask, whose values are not held against Hounsfield units.

    Raises
    ------
    ValueError : the file is damaged, not three-dimensional, holds no Hounsfield units, or its header does not say
        which side is which, or how large a voxel is.
    """
    with tempfile.TemporaryDirectory(prefix="groundglass-") as scratch:
        with named(path):
            source = SourceFile(path, path.name)
            volume = read_nifti(source, Path(scratch), value_range=_LABELS if labels else None).volume
        refuse_notes(volume.notes, path)
        return stack(volume, [path] * len(volume))


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what model.decode says of a file into a ValueError that names it."""
    try:
        yield
    except GroundglassError as exc:
        raise ValueError(f"{path}: {exc}") from exc


def refuse_notes(notes: Sequence[str], path: Path) -> None:
    """Raise ValueError where something was lost or guessed."""
    if notes:
        raise ValueError(f"{path}: {' '.join(notes)} For training that is not enough")


def stack(volume: CtVolume, paths: Sequence[Path]) -> Volume:
    """Read all slices.

    Parameters
    ----------
    paths : the file of each slice, to name it in a complaint.

    Raises
    ------
    ValueError : a slice is damaged, or something about it was guessed, or it is not known where the volume lies.
    """
    if volume.affine is None:
        raise ValueError(f"{paths[0]} does not say where in the patient it lies, and how large a voxel is")
    values = np.empty(volume.shape, np.float32)
    for number, path in enumerate(paths):
        with named(path):
            ct_slice = volume.read(number)
        refuse_notes(ct_slice.notes, path)
        values[number] = ct_slice.pixels
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(volume.shape[::-1]) - 1)
    return Volume(values, np.asarray(apply_affine(volume.affine, corners), np.float64))


def check_grid(scan: Volume, mask: Volume, name: str) -> None:
    """Hold a mask against its scan.

    Raises
    ------
    ValueError : they differ in shape, or lie elsewhere in the patient, as where a header was lost.
    """
    if scan.values.shape != mask.values.shape:
        raise ValueError(
            f"{name}: the mask is {mask.values.shape} (slices, height, width), the scan {scan.values.shape}: "
            "resample the mask to the scan's grid"
        )
    shift_mm = float(np.linalg.norm(scan.corners_mm - mask.corners_mm, axis=1).max())
    if not shift_mm <= SHIFT_AT_MOST_MM:
        raise ValueError(
            f"{name}: the mask lies {shift_mm:.1f} mm off its scan by their headers, it may be mirrored: "
            "copy the scan's header to the mask if their voxels correspond"
        )


def to_gray(volume_hu: NDArray[np.float32], name: str) -> NDArray[np.uint8]:
    """Bring Hounsfield units to gray values through the window of model.preprocess; what lies outside is clipped.

    Parameters
    ----------
    volume_hu : any shape, not empty.

    Raises
    ------
    ValueError : the values are no Hounsfield units of a chest: not finite, no air or no tissue.

    >>> to_gray(np.array([-1250, 250, -1000], np.float32), "scan")
    array([  0, 255,  42], dtype=uint8)
    """
    lowest, highest = float(volume_hu.min()), float(volume_hu.max())
    plausible = HU_LIMITS[0] <= lowest <= AIR_AT_MOST_HU and TISSUE_AT_LEAST_HU <= highest <= HU_LIMITS[1]
    if not plausible:
        raise ValueError(
            f"{name} holds values from {lowest:g} to {highest:g}, no Hounsfield units of a chest (air is -1000, "
            "water 0): store it with the scanner's slope and intercept, or prepare windowed slices as pictures"
        )
    return np.asarray(np.rint(255.0 * window(volume_hu)), np.uint8)


def to_mask(labels: NDArray[Any], name: str, *, wanted: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """Bring labels to a mask of 0 and 255.

    Parameters
    ----------
    labels : any shape, 0 = background.
    wanted : the labels that count; empty = the only one there is.

    Raises
    ------
    ValueError : no labels are wanted in particular and there are several, so that it is not known which count.
    """
    if wanted:
        return np.where(np.isin(labels, wanted), 255, 0).astype(np.uint8)
    present = np.unique(labels[labels != 0])
    if present.size > 1:
        shown = ", ".join(f"{value:g}" for value in present[:5]) + (", ..." if present.size > 5 else "")
        raise ValueError(
            f"{name} holds {present.size} labels ({shown}) beside 0: name those that count, or store it without loss"
        )
    return np.where(labels != 0, 255, 0).astype(np.uint8)
