"""NIfTI volumes -> stacks of slices as they are displayed. A header that does not tell the sides apart is refused."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.affines import apply_affine
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

WINDOW_HU = (-1250.0, 250.0)
"""The values that become gray 0 and 255: what the network is trained on and served."""

# A chest CT holds air (about -1000 HU) and soft tissue or bone (above 0 HU); the scanner's padding may lie far below.
AIR_AT_MOST_HU = -500.0
TISSUE_AT_LEAST_HU = 0.0
HU_LIMITS = (-32768.0, 32767.0)

SHIFT_AT_MOST_MM = 1.0
"""How far a corner of a mask may lie from that of its scan: headers are rounded."""


@dataclass(frozen=True)
class Volume:
    """A stack of axial slices.

    values : (slices, H, W) float32; slices from the feet to the head, rows from front to back of the patient, columns
        from the patient's right to the left: as displayed.
    corners_mm : (8, 3) float64, the corners of the stack in the patient's coordinates (right, front, head positive).
    """

    values: NDArray[np.float32]
    corners_mm: NDArray[np.float64]


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file, turned to the closest axial orientation.

    Raises
    ------
    ValueError : the file is damaged, not three-dimensional, or its header does not say which side is which.
    """
    try:
        image = nibabel.load(path)
        if len(image.shape) != 3:
            raise ValueError(f"{path.name} must be three-dimensional, got {image.shape}: store one volume per file")
        _refuse_unknown_orientation(image, path)
        return volume_of(image)
    except (ImageFileError, OSError, EOFError, zlib.error) as exc:
        raise ValueError(f"{path.name} is damaged or no NIfTI file: {exc}") from exc


def volume_of(image: Any) -> Volume:
    """Turn a three-dimensional image of nibabel to the closest axial orientation."""
    canonical = nibabel.as_closest_canonical(image)
    values = canonical.get_fdata(dtype=np.float32)
    return Volume(as_displayed(values), _corners(canonical.affine, values.shape))


def _refuse_unknown_orientation(image: Any, path: Path) -> None:
    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        raise ValueError(
            f"{path.name} does not say which side is which (its sform_code and qform_code are 0): "
            "a mirrored patient would go unnoticed. Convert it again from DICOM"
        )


def as_displayed(canonical: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn (X, Y, Z), growing to the patient's left-to-right, back-to-front, feet-to-head, to (slice, row, column).

    The front of the patient comes to the top of each slice, the patient's right to the left of the picture.
    """
    return np.ascontiguousarray(canonical[::-1, ::-1, :].transpose(2, 1, 0))


def _corners(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    indices = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    return np.asarray(apply_affine(affine, indices), np.float64)


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
    """Bring Hounsfield units to gray values through WINDOW_HU; what lies outside is clipped.

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
    low, high = WINDOW_HU
    gray: NDArray[np.float32] = np.rint(np.clip((volume_hu - low) / (high - low), 0.0, 1.0) * 255.0)
    return gray.astype(np.uint8)


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
