"""A folder of DICOM files, one CT series -> the same volume as a NIfTI file gives.

Files are ordered by where their slices lie in the patient; their names, numbers and UIDs are often wrong. What cannot
be told for sure (another modality, two series, a slice that is missing or lies askew) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.errors import InvalidDicomError

from training.convert.volumes import SHIFT_AT_MOST_MM, Volume, volume_of

AXIAL_WITHIN_DEGREES = 10.0
"""How far rows, columns and normal of a slice may lie off the axes of the patient."""

EVEN_WITHIN = 1.5
"""How much larger the largest gap between slices may be than the smallest: positions are rounded to 0.1 mm."""

NEEDED = ("PixelData", "Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")
RESCALE = ("RescaleSlope", "RescaleIntercept")

Vector = NDArray[np.float64]


def series_files(folder: Path) -> list[Path]:
    """Return the DICOM files of a folder: named .dcm, or marked as such inside. A DICOMDIR lists others and is none."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return [path for path in files if path.name != "DICOMDIR" and (path.suffix.lower() == ".dcm" or _is_marked(path))]


def _is_marked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_series(folder: Path) -> Volume:
    """Read a series of axial CT slices in Hounsfield units, whatever its files are called.

    Returns
    -------
    The volume as `training.convert.volumes.read_volume` gives it: slices from the feet to the head, as displayed.

    Raises
    ------
    ValueError : a file is damaged, no CT, without pixels, position, spacing or rescaling, or of several frames; or the
        files are of two series, differ in size, are not axial, or do not follow each other evenly.
    """
    # Valid identifiers are the exception among files whose names were removed, and none is needed here.
    with disable_value_validation():
        slices = [_read_slice(path) for path in series_files(folder)]
        if not slices:
            raise ValueError(f"{folder} holds no DICOM file")
        _refuse_differing(folder, slices)
        rows, columns = _directions(folder, slices[0])
        normal = np.cross(rows, columns)
        positions = np.array([_numbers(item, "ImagePositionPatient", 3) for item in slices])
        order = np.argsort(positions @ normal)
        step = _step(folder, positions[order], normal)
        values = np.stack([_hounsfield(slices[index]) for index in order])
        row_mm, column_mm = _numbers(slices[0], "PixelSpacing", 2)
    # PixelSpacing names the distance between rows first; along a row one goes by the distance between columns.
    axes = np.stack([rows * column_mm, columns * row_mm, step], axis=1)
    return _to_volume(values, axes, positions[order[0]])


def _read_slice(path: Path) -> Dataset:
    """Read one file and hold its header against what a CT slice must have."""
    try:
        dataset = dcmread(path)
    except (InvalidDicomError, OSError, EOFError, ValueError) as exc:
        raise ValueError(f"{path} is damaged or no DICOM file: {exc}") from exc
    modality = dataset.get("Modality") or "not stated"
    if modality != "CT":
        raise ValueError(f"{path} is no CT: its modality is {modality}. Take it out of the folder")
    missing = [name for name in (*NEEDED, *RESCALE) if dataset.get(name) in (None, "")]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: export the series again with its full headers")
    if int(dataset.get("NumberOfFrames") or 1) != 1 or int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise ValueError(f"{path} holds several frames or colours: export the series as one gray slice to a file")
    return dataset


def _refuse_differing(folder: Path, slices: Sequence[Dataset]) -> None:
    """Raise where slices cannot be of one volume."""
    described = [_describe(item) for item in slices]
    for what in described[0]:
        kinds = {description[what]: item.filename for description, item in zip(described, slices, strict=True)}
        if len(kinds) > 1:
            shown = ", ".join(f"{kind} ({Path(str(name)).name})" for kind, name in list(kinds.items())[:3])
            raise ValueError(f"{folder} holds {len(kinds)} {what}: {shown}. Keep the slices of one series in a folder")


def _describe(dataset: Dataset) -> dict[str, str]:
    """Return what all slices of a series share, rounded as headers are."""
    spacing_mm = np.round(_numbers(dataset, "PixelSpacing", 2), 3)
    # Adding 0.0 makes of a negative zero a positive one.
    orientation = np.round(_numbers(dataset, "ImageOrientationPatient", 6), 2) + 0.0
    return {
        "series": str(dataset.get("SeriesInstanceUID", "")),
        "sizes": f"{dataset.Rows}×{dataset.Columns}",
        "pixel spacings": str(spacing_mm.tolist()),
        "orientations": str(orientation.tolist()),
    }


def _numbers(dataset: Dataset, name: str, count: int) -> Vector:
    """Return the numbers of an element.

    Raises
    ------
    ValueError : they are not as many, or not finite.
    """
    value: Any = dataset.get(name)
    try:
        numbers = np.array([float(part) for part in value], np.float64)
    except (TypeError, ValueError) as exc:
        raise ValueError(f"{dataset.filename}: {name} is {value!r}, not {count} numbers") from exc
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"{dataset.filename}: {name} is {value!r}, not {count} numbers")
    return numbers


def _directions(folder: Path, dataset: Dataset) -> tuple[Vector, Vector]:
    """Return unit vectors along a row and along a column, in DICOM's frame (left, back, head positive).

    Raises
    ------
    ValueError : the slices are not axial.
    """
    orientation = _numbers(dataset, "ImageOrientationPatient", 6)
    rows, columns = orientation[:3], orientation[3:]
    along_axes = [np.abs(rows).max(), np.abs(columns).max(), abs(np.cross(rows, columns)[2])]
    # Above 1.0, they are no unit vectors, and nothing can be said.
    if not (min(along_axes) >= np.cos(np.radians(AXIAL_WITHIN_DEGREES)) and max(along_axes) <= 1.001):
        raise ValueError(
            f"{folder} is not axial: its rows and columns go along {orientation.tolist()}. "
            "Take the axial series of the study, or reformat it"
        )
    return rows, columns


def _step(folder: Path, positions: Vector, normal: Vector) -> Vector:
    """Return the way from one slice to the next, from positions (slices, 3) in mm in order.

    Raises
    ------
    ValueError : two slices lie at one place, one is missing, or they do not lie above each other.
    """
    if len(positions) == 1:
        # Nothing is measured across a single slice; the direction alone matters.
        return normal
    depths = positions @ normal
    gaps = np.diff(depths)
    if not (gaps.min() > 0.0 and gaps.max() <= EVEN_WITHIN * gaps.min()):
        raise ValueError(
            f"{folder}: neighbouring slices lie {gaps.min():g} to {gaps.max():g} mm apart: "
            "one is missing or there twice; complete the series or take the others out"
        )
    aside = positions - positions[0] - np.outer(depths - depths[0], normal)
    if np.linalg.norm(aside, axis=1).max() > SHIFT_AT_MOST_MM:
        raise ValueError(f"{folder}: the slices do not lie above each other (a tilted gantry?): reformat the series")
    return np.asarray((positions[-1] - positions[0]) / (len(positions) - 1), np.float64)


def _hounsfield(dataset: Dataset) -> NDArray[np.float32]:
    """Return the pixels of a slice, (H, W), in Hounsfield units."""
    try:
        stored = dataset.pixel_array
    except (AttributeError, NotImplementedError, RuntimeError, ValueError) as exc:
        raise ValueError(f"{dataset.filename} has pixels that cannot be read: {exc}") from exc
    return (stored * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)).astype(np.float32)


def _to_volume(values: NDArray[np.float32], axes: Vector, origin: Vector) -> Volume:
    """Bring (slices, H, W) to a volume; the columns of `axes` go along a row, a column, and from slice to slice."""
    affine = np.eye(4)
    # NIfTI counts to the right and to the front, DICOM to the left and to the back.
    affine[:3, :3] = np.diag([-1.0, -1.0, 1.0]) @ axes
    affine[:3, 3] = np.array([-1.0, -1.0, 1.0]) * origin
    return volume_of(nibabel.Nifti1Image(values.transpose(2, 1, 0), affine))
