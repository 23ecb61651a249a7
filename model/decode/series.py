"""DICOM files -> the largest axial CT series among them, as a volume.

Slices are ordered by where they lie in the patient; names, numbers and identifiers of files are often wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model.decode.apart import Decoder
from model.decode.ct import CtSlice, CtVolume, Place, Turn
from model.decode.dicom import PIXEL_MM, DicomFile, Vector, read_header, read_pixels
from model.decode.kinds import SourceFile
from model.decode.series_notes import left_out, tilt, unknown, without_place
from model.errors import InputError, NotCt

AXIAL_WITHIN_DEGREES = 30.0
"""How far rows, columns and normal of a slice may lie off the axes of the patient."""

SAME_PLACE_MM = 0.01
"""Slices closer than this lie at one place."""

UNEVEN_FROM = 1.1
"""Gaps that are this much larger than the usual one are told as uneven; from 1.5 a slice is missing."""

MISSING_FROM = 1.5

MAX_IMAGE_NUMBER = 1_000_000

MAX_SLICES = 3_000
"""Most slices that are read of one series."""


@dataclass(frozen=True)
class Series:
    """What was chosen of many DICOM files.

    files : one for each slice, from the feet to the head.
    turn : how each is turned to be displayed.
    volume : the same, to be read slice by slice.
    """

    files: tuple[DicomFile, ...]
    turn: Turn
    volume: CtVolume


def read_series(sources: Iterable[SourceFile]) -> Series:
    """Read headers, choose the series with the most axial CT slices, and put it in order.

    Returns
    -------
    The series. The notes of its volume say what was left out, and what is uneven about it.

    Raises
    ------
    InputError : no file is a CT slice; the sentence is the one that most of them have in common.
    """
    files, refused = _read_headers(sources)
    if not files:
        (usual, _), *_ = Counter(str(exc) for exc in refused.values()).most_common(1)
        raise next(exc for exc in refused.values() if str(exc) == usual)
    chosen, others = _choose(files)
    if len(chosen) > MAX_SLICES:
        raise NotCt(f"The series has {len(chosen):,} slices; at most {MAX_SLICES:,} are read. Send a part of it.")
    ordered, notes = _in_order(chosen)
    turn = _turn(ordered[0].orientation)
    notes = [*left_out(chosen, others, refused), *notes]
    return Series(tuple(ordered), turn, _as_volume(ordered, turn, notes))


def _read_headers(sources: Iterable[SourceFile]) -> tuple[list[DicomFile], dict[SourceFile, InputError]]:
    files, refused = [], {}
    for source in sources:
        try:
            files.append(read_header(source))
        except InputError as exc:
            refused[source] = exc
    return files, refused


def _choose(files: Sequence[DicomFile]) -> tuple[list[DicomFile], list[list[DicomFile]]]:
    """Return the largest group of slices that belong together and are axial, and the other groups.

    Raises
    ------
    NotCt : none is axial.
    """
    groups: dict[tuple[object, ...], list[DicomFile]] = {}
    for file in files:
        groups.setdefault(_kinship(file), []).append(file)
    by_size = sorted(groups.values(), key=len, reverse=True)
    axial = [group for group in by_size if _is_axial(group[0])]
    if not axial:
        raise NotCt("The slices are not axial (they run along the body, not across it). Upload the axial series.")
    return axial[0], [group for group in by_size if group is not axial[0]]


def _kinship(file: DicomFile) -> tuple[object, ...]:
    """Return what the slices of one series have in common, rounded as headers are."""
    orientation = None if file.orientation is None else tuple(np.round(file.orientation, 2) + 0.0)
    spacing = None if file.spacing_mm is None else tuple(np.round(file.spacing_mm, 3))
    return file.text("SeriesInstanceUID"), file.shape, orientation, spacing


def _is_axial(file: DicomFile) -> bool:
    """Whether a slice lies across the body; one that does not say is taken for axial."""
    if file.orientation is None:
        return True
    rows, columns = file.orientation[:3], file.orientation[3:]
    along = [np.abs(rows[:2]).max(), np.abs(columns[:2]).max(), abs(np.cross(rows, columns)[2])]
    return bool(min(along) >= np.cos(np.radians(AXIAL_WITHIN_DEGREES)))


def _in_order(files: Sequence[DicomFile]) -> tuple[list[DicomFile], list[str]]:
    """Return the slices from the feet to the head, one for each place, and notes.

    Raises
    ------
    NotCt : there are several slices, and at least half of them do not say where they lie.
    """
    if len(files) == 1:
        return list(files), []
    placed = [file for file in files if file.position is not None and file.orientation is not None]
    if len(placed) <= len(files) / 2:
        raise NotCt(
            f"{len(files)} slices belong to one series, but {len(files) - len(placed)} of them do not say where in the "
            "patient they lie (ImagePositionPatient, ImageOrientationPatient), so their order is unknown. Export the "
            "series again."
        )
    ordered, notes = _by_depth(placed)
    return ordered, [*without_place(len(files) - len(placed)), *notes]


def _by_depth(files: Sequence[DicomFile]) -> tuple[list[DicomFile], list[str]]:
    """Return slices that say where they lie from the feet to the head, one for each place, and notes."""
    depths = _depths(files)
    # Of slices at one place the one with the lowest number stays.
    numbers = [file.number("InstanceNumber") or 0.0 for file in files]
    order = sorted(range(len(files)), key=lambda index: (round(float(depths[index]) / SAME_PLACE_MM), numbers[index]))
    kept = [order[0]]
    for index in order[1:]:
        if depths[index] - depths[kept[-1]] > SAME_PLACE_MM:
            kept.append(index)
    doubled = len(files) - len(kept)
    notes = [f"{doubled} slices lie at a place where another lies; one of each was read."] if doubled else []
    return [files[index] for index in kept], notes


def _depths(files: Sequence[DicomFile]) -> Vector:
    """Return how high each slice lies along the normal of the first, mm, growing to the head."""
    orientation = _known(files[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    normal *= np.sign(normal[2])
    return np.asarray(np.array([_known(file.position) for file in files]) @ normal, np.float64)


def _known(vector: Vector | None) -> Vector:
    if vector is None:
        raise ValueError("the slice does not say where it lies")
    return vector


def _turn(orientation: Vector | None) -> Turn:
    """Return how slices of an orientation are turned: the patient's right to the left, the front to the top."""
    if orientation is None:
        return Turn(transpose=False, rows=False, columns=False)
    along_row, along_column = orientation[:3], orientation[3:]
    transpose = bool(abs(along_row[1]) > abs(along_row[0]))
    if transpose:
        along_row, along_column = along_column, along_row
    return Turn(transpose, rows=bool(along_column[1] < 0.0), columns=bool(along_row[0] < 0.0))


def _as_volume(files: Sequence[DicomFile], turn: Turn, notes: Sequence[str]) -> CtVolume:
    first = files[0]
    height, width = first.shape[::-1] if turn.transpose else first.shape
    affine = _affine(files, turn)
    extents, uneven = _extents(files)
    return CtVolume(
        shape=(len(files), height, width),
        read=partial(_read_slice, files, turn, Decoder()),
        affine=affine,
        extents_mm=extents,
        sides_known=first.orientation is not None,
        places=tuple(map(_place, files)),
        notes=tuple([*notes, *uneven, *_tilted(files), *unknown(first)]),
    )


def _place(file: DicomFile) -> Place:
    number = file.number("InstanceNumber")
    return Place(
        z_mm=None if file.position is None else float(file.position[2]),
        image_number=int(number) if number is not None and abs(number) < MAX_IMAGE_NUMBER else None,
    )


def _read_slice(files: Sequence[DicomFile], turn: Turn, decoder: Decoder, number: int) -> CtSlice:
    stored = read_pixels(files[number], decoder)
    spacing = stored.spacing_mm
    if spacing is not None and turn.transpose:
        spacing = spacing[1], spacing[0]
    return replace(stored, pixels=np.ascontiguousarray(turn.apply(stored.pixels)), spacing_mm=spacing)


def _affine(files: Sequence[DicomFile], turn: Turn) -> NDArray[np.float64] | None:
    """Return the affine of the slices as displayed; None where spacing, position or orientation are missing."""
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
        affine[:3, 2] = (_known(last.position) - first.position) / (len(files) - 1)
    else:
        normal = np.cross(first.orientation[:3], first.orientation[3:])
        thickness = first.number("SliceThickness") or 1.0
        is_believed = PIXEL_MM[0] <= thickness <= PIXEL_MM[1]
        affine[:3, 2] = normal * np.sign(normal[2]) * (thickness if is_believed else 1.0)
    return affine


def _tilted(files: Sequence[DicomFile]) -> list[str]:
    if len(files) < 2:
        return []
    return tilt(np.array([_known(file.position) for file in files]), _known(files[0].orientation))


def _extents(files: Sequence[DicomFile]) -> tuple[tuple[float, ...] | None, list[str]]:
    """Return what each slice stands for in mm, half the way to either neighbour, and notes on uneven gaps.

    A single slice stands for none: what lies beside it is unknown.
    """
    if len(files) == 1:
        return None, []
    gaps = np.diff(_depths(files))
    usual = float(np.median(gaps))
    missing = int(sum(round(gap / usual) - 1 for gap in gaps if gap >= MISSING_FROM * usual))
    notes = []
    if missing:
        notes.append(
            f"{missing} {'slice seems' if missing == 1 else 'slices seem'} to be missing: the distance of neighbours "
            f"grows from {usual:.3g} to {gaps.max():.3g} mm. Volumes were taken across the gap."
        )
    elif gaps.max() > UNEVEN_FROM * gaps.min():
        notes.append(
            f"The slices are unevenly spaced, {gaps.min():.3g} to {gaps.max():.3g} mm. "
            "Volumes count each slice by its distance to its neighbours."
        )
    halves = np.concatenate([[gaps[0]], gaps, [gaps[-1]]]) / 2.0
    return tuple(float(extent) for extent in halves[:-1] + halves[1:]), notes
