"""A folder of DICOM files, one CT series -> the same volume as a NIfTI file gives.

What cannot be told for sure (another modality, two series, a slice that is missing or lies askew) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.decode import series as decode
from model.decode.dicom import read_header
from model.decode.kinds import SourceFile
from training.convert.volumes import SHIFT_AT_MOST_MM, Volume, named, stack

AXIAL_WITHIN_DEGREES = 10.0
"""How far rows, columns and normal of a slice may lie off the axes of the patient."""

EVEN_WITHIN = 1.5
"""How much larger the largest gap between slices may be than the smallest: positions are rounded to 0.1 mm."""

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
    sources = [SourceFile(path, path.name) for path in series_files(folder)]
    if not sources:
        raise ValueError(f"{folder} holds no DICOM file")
    for source in sources:
        with named(source.path):
            read_header(source)
    with named(folder):
        series = decode.read_series(sources)
    _refuse_left_out(folder, sources, series)
    if series.volume.affine is not None:
        _refuse_askew(folder, series.volume.affine, np.array([file.position for file in series.files], np.float64))
    return stack(series.volume, [file.source.path for file in series.files])


def _refuse_left_out(folder: Path, sources: Sequence[SourceFile], series: decode.Series) -> None:
    """Raise where not every file is a slice of the series."""
    read = {file.source for file in series.files}
    left = [source.name for source in sources if source not in read]
    if left:
        shown = ", ".join(left[:3]) + (", ..." if len(left) > 3 else "")
        raise ValueError(
            f"{folder}: {len(left)} of {len(sources)} files do not go with the others ({shown}), by series, size, "
            f"spacing, orientation or place: {' '.join(series.volume.notes)} Keep the slices of one series in a folder"
        )


def _refuse_askew(folder: Path, affine: Vector, positions: Vector) -> None:
    """Raise where slices are not axial, one is missing, or they do not lie above each other.

    affine : of the slices as displayed. positions : (slices, 3), their first pixels in mm from the feet to the head.
    """
    columns, rows = affine[:3, :2].T / np.linalg.norm(affine[:3, :2], axis=0)[:, np.newaxis]
    normal = np.cross(columns, rows)
    if min(columns[0], rows[1], normal[2]) < np.cos(np.radians(AXIAL_WITHIN_DEGREES)):
        raise ValueError(f"{folder} is not axial: take the axial series of the study, or reformat it")
    depths = positions @ normal
    gaps = np.diff(depths)
    if gaps.size and gaps.max() > EVEN_WITHIN * gaps.min():
        raise ValueError(
            f"{folder}: neighbouring slices lie {gaps.min():g} to {gaps.max():g} mm apart: one is missing, or some lie "
            "elsewhere; complete the series"
        )
    aside = positions - positions[0] - np.outer(depths - depths[0], normal)
    if np.linalg.norm(aside, axis=1).max() > SHIFT_AT_MOST_MM:
        raise ValueError(f"{folder}: the slices do not lie above each other (a tilted gantry?): reformat the series")
