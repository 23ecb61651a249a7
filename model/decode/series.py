"""DICOM files -> the largest axial CT series among them, as a volume.

Slices are ordered by where they lie in the patient; names, numbers and identifiers of files are often wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from model.decode.apart import Decoder
from model.decode.ct import MAX_SLICES, MOST_DAMAGED, CtSlice, CtVolume, Place, Turn
from model.decode.dicom import DicomFile, read_header, read_pixels
from model.decode.geometry import SAME_PLACE_MM, affine_of, centre_height, depths, known, turn_of
from model.decode.kinds import SourceFile
from model.decode.kinship import choose
from model.decode.patient import patient_name
from model.decode.repeated import DicomGrid, Elements, identifiers, read_elements
from model.decode.series_notes import doubled, left_out, tilt, unknown, without_place
from model.errors import DamagedImage, InputError, NotCt

UNEVEN_FROM = 1.1
"""Gaps that are this much larger than the usual one are told as uneven; from 1.5 a slice is missing."""

MISSING_FROM = 1.5

MAX_IMAGE_NUMBER = 1_000_000


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

    @property
    def grid(self) -> DicomGrid:
        """Return what a mask needs to be written as the series is."""
        return DicomGrid(
            shape=self.files[0].shape,
            turn=self.turn,
            identifiers=tuple(map(identifiers, self.files)),
            header=partial(_header, self.files),
            patient=partial(patient_name, self.files[0]),
        )


def read_series(sources: Iterable[SourceFile], *, lost: int = 0) -> Series:
    """Read headers, choose the series with the most axial CT slices, and put it in order.

    Parameters
    ----------
    lost : how many DICOM files could not even be unpacked; they count as damaged.

    Returns
    -------
    The series. The notes of its volume say what was left out, and what is uneven about it.

    Raises
    ------
    InputError : no file is a CT slice; the sentence is the one that most of them have in common.
    DamagedImage : more than MOST_DAMAGED of the slices are damaged. NotCt : they do not make a volume.
    """
    files, refused = _read_headers(sources)
    if not files:
        (usual, _), *_ = Counter(str(exc) for exc in refused.values()).most_common(1)
        raise next(exc for exc in refused.values() if str(exc) == usual)
    chosen, others = choose(files)
    _refuse_many_damaged(len(chosen), lost + sum(isinstance(exc, DamagedImage) for exc in refused.values()))
    if len(chosen) > MAX_SLICES:
        raise NotCt(f"The series has {len(chosen):,} slices; at most {MAX_SLICES:,} are read. Send a part of it.")
    ordered, notes = _in_order(chosen.files)
    turn = turn_of(ordered[0].orientation)
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


def _refuse_many_damaged(whole: int, damaged: int) -> None:
    """Raise DamagedImage where what is left of a series would be measured as if it were all of it."""
    if damaged > MOST_DAMAGED * (whole + damaged):
        raise DamagedImage(
            f"{damaged} of {whole + damaged} DICOM files are damaged or were cut short; what is measured without them "
            "would be a guess. Send the series again, or check that the upload was complete."
        )


def _in_order(files: Sequence[DicomFile]) -> tuple[list[DicomFile], list[str]]:
    """Return the slices from the feet to the head, one for each place, and notes.

    Raises
    ------
    NotCt : there are several slices, and at least half of them do not say where they lie, or most claim one place.
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
    heights = depths(files, files[0].orientation)
    order = sorted(range(len(files)), key=lambda index: _rank(files[index], float(heights[index])))
    places = [[order[0]]]
    for index in order[1:]:
        if heights[index] - heights[places[-1][0]] > SAME_PLACE_MM:
            places.append([])
        places[-1].append(index)
    _refuse_crowd([[files[index] for index in place] for place in places])
    return [files[place[0]] for place in places], doubled(len(files) - len(places))


def _refuse_crowd(places: Sequence[Sequence[DicomFile]]) -> None:
    """Raise NotCt where most slices claim a place where another lies, though they are numbered as different ones.

    Several reconstructions in one series have about as many slices at each place: one of each is read then.
    """
    sizes = [len(place) for place in places]
    crowd = max(places, key=len)
    numbers = {file.number("InstanceNumber") for file in crowd}
    is_even = len(places) > 1 and len(crowd) <= 2 * np.median(sizes)
    if sum(sizes) > 2 * len(places) and not is_even and len(numbers) > len(crowd) / 2:
        raise NotCt(
            f"{len(crowd)} of the {sum(sizes)} slices of the series claim to lie at one place in the patient "
            "(ImagePositionPatient), though their numbers differ: the positions are wrong. Export the series again."
        )


def _rank(file: DicomFile, height: float) -> tuple[int, float, str, str]:
    """Return what slices are ordered by. Of those at one place the first stays, in whatever order they were sent."""
    number = file.number("InstanceNumber") or 0.0
    return round(height / SAME_PLACE_MM), number, file.text("SOPInstanceUID"), file.source.name


def _as_volume(files: Sequence[DicomFile], turn: Turn, notes: Sequence[str]) -> CtVolume:
    first = files[0]
    height, width = first.shape[::-1] if turn.transpose else first.shape
    affine = affine_of(files, turn)
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
        z_mm=centre_height(file),
        image_number=int(number) if number is not None and abs(number) < MAX_IMAGE_NUMBER else None,
    )


def _read_slice(files: Sequence[DicomFile], turn: Turn, decoder: Decoder, number: int) -> CtSlice:
    stored = read_pixels(files[number], decoder)
    spacing = stored.spacing_mm
    if spacing is not None and turn.transpose:
        spacing = spacing[1], spacing[0]
    return replace(stored, pixels=np.ascontiguousarray(turn.apply(stored.pixels)), spacing_mm=spacing)


def _header(files: Sequence[DicomFile], number: int) -> Elements:
    return read_elements(files[number])


def _tilted(files: Sequence[DicomFile]) -> list[str]:
    if len(files) < 2:
        return []
    return tilt(np.array([known(file.position) for file in files]), known(files[0].orientation))


def _extents(files: Sequence[DicomFile]) -> tuple[tuple[float, ...] | None, list[str]]:
    """Return what each slice stands for in mm, half the way to either neighbour, and notes on uneven gaps.

    A single slice stands for none: what lies beside it is unknown.
    """
    if len(files) == 1:
        return None, []
    gaps = np.diff(depths(files, files[0].orientation))
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
