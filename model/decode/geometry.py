"""Where the slices of a DICOM series lie in the patient: DICOM counts mm to the patient's left, back and head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.decode.ct import SLICE_MM, Affine, Turn
from model.decode.dicom import DicomFile, Vector

SAME_PLACE_MM = 0.01
"""Slices closer than this lie at one place."""


def known(vector: Vector | None) -> Vector:
    """Return a position or orientation of a slice that says where it lies.

    Raises
    ------
    ValueError : it does not.
    """
    if vector is None:
        raise ValueError("the slice does not say where it lies")
    return vector


def depths(files: Sequence[DicomFile], orientation: Vector | None) -> Vector:
    """Return how high each slice lies along the normal of an orientation, mm, growing to the head."""
    orientation = known(orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    normal *= np.sign(normal[2])
    return np.asarray(np.array([known(file.position) for file in files]) @ normal, np.float64)


def turn_of(orientation: Vector | None) -> Turn:
    """Return how slices of an orientation are turned: the patient's right to the left, the front to the top."""
    if orientation is None:
        return Turn(transpose=False, rows=False, columns=False)
    along_row, along_column = orientation[:3], orientation[3:]
    transpose = bool(abs(along_row[1]) > abs(along_row[0]))
    if transpose:
        along_row, along_column = along_column, along_row
    return Turn(transpose, rows=bool(along_column[1] < 0.0), columns=bool(along_row[0] < 0.0))


def affine_of(files: Sequence[DicomFile], turn: Turn) -> Affine | None:
    """Return the affine of the slices as displayed; None where spacing, position or orientation are missing.

    files : from the feet to the head.
    """
    first, last = files[0], files[-1]
    if first.orientation is None or first.position is None or first.spacing_mm is None:
        return None
    # PixelSpacing names the distance between rows first; along a row one goes by the distance between columns.
    along_row, along_column = first.orientation[:3] * first.spacing_mm[1], first.orientation[3:] * first.spacing_mm[0]
    height, width = first.shape
    if turn.transpose:
        along_row, along_column, height, width = along_column, along_row, width, height
    origin = first.position.copy()
    if turn.columns:
        origin, along_row = origin + (width - 1) * along_row, -along_row
    if turn.rows:
        origin, along_column = origin + (height - 1) * along_column, -along_column
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 3] = along_row, along_column, origin
    if len(files) > 1:
        affine[:3, 2] = (known(last.position) - first.position) / (len(files) - 1)
    else:
        normal = np.cross(first.orientation[:3], first.orientation[3:])
        affine[:3, 2] = normal * np.sign(normal[2]) * _thickness_mm(first)
    return affine


def _thickness_mm(file: DicomFile) -> float:
    """Return the thickness of a slice, 1 where it is not believed."""
    thickness = file.number("SliceThickness")
    return thickness if thickness is not None and SLICE_MM[0] <= thickness <= SLICE_MM[1] else 1.0


def centre_height(file: DicomFile) -> float | None:
    """Return how high the centre of a slice lies, mm; None where the slice does not say."""
    if file.position is None or file.orientation is None or file.spacing_mm is None:
        return None
    # The position is that of the first pixel, and a slice that is tilted lies higher at one end than at the other.
    rows, columns = file.shape
    along_row = file.orientation[:3] * file.spacing_mm[1] * (columns - 1) / 2.0
    along_column = file.orientation[3:] * file.spacing_mm[0] * (rows - 1) / 2.0
    return float((file.position + along_row + along_column)[2])
