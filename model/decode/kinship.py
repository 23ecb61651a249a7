"""Which of many DICOM files belong together: the largest group of axial slices that one volume can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.decode.dicom import DicomFile, Vector
from model.decode.geometry import SAME_PLACE_MM, depths
from model.errors import NotCt

AXIAL_WITHIN_DEGREES = 30.0
"""How far rows, columns and normal of a slice may lie off the axes of the patient."""

SAME_WITHIN = np.array([0.01] * 6 + [0.001] * 2)
"""How far slices of one series may differ, since headers are rounded: in the cosines of their orientation, and in mm in
the spacing of their pixels."""

MOST_ACQUISITIONS = 1_000
"""Where a series has more of them, their numbers say nothing."""

MOST_PATIENTS = 10
"""Where the slices of a series name more of them, and most slices one of their own, their names say nothing."""


@dataclass(frozen=True)
class Group:
    """Slices that belong together, in no order.

    acquisition : which of a series' acquisitions they are, in words; empty where they are the whole series.
    """

    files: tuple[DicomFile, ...]
    acquisition: str = ""

    def __len__(self) -> int:
        return len(self.files)


def choose(files: Sequence[DicomFile]) -> tuple[Group, list[Group]]:
    """Return the largest group of slices that belong together and are axial, and the other groups.

    Raises
    ------
    NotCt : none is axial.
    """
    groups = [part for alike in _alike(files) for part in _acquisitions(alike)]
    # Of groups of one size the same is read in whatever order the files come.
    by_size = sorted(groups, key=lambda group: (-len(group), _patient_and_series(group.files[0])))
    axial = [group for group in by_size if _is_axial(group.files[0])]
    if not axial:
        raise NotCt("The slices are not axial (they run along the body, not across it). Upload the axial series.")
    return axial[0], [group for group in by_size if group is not axial[0]]


def _patient_and_series(file: DicomFile) -> tuple[str, str]:
    return file.patient_id, file.text("SeriesInstanceUID")


def _is_axial(file: DicomFile) -> bool:
    """Whether a slice lies across the body; one that does not say is taken for axial."""
    if file.orientation is None:
        return True
    rows, columns = file.orientation[:3], file.orientation[3:]
    along = [np.abs(rows[:2]).max(), np.abs(columns[:2]).max(), abs(np.cross(rows, columns)[2])]
    return bool(min(along) >= np.cos(np.radians(AXIAL_WITHIN_DEGREES)))


def _alike(files: Sequence[DicomFile]) -> list[list[DicomFile]]:
    """Return groups of one series of one patient, of one size, one orientation and one spacing."""
    named: dict[tuple[object, ...], list[DicomFile]] = {}
    for file in files:
        named.setdefault(_name(file), []).append(file)
    return [group for same in named.values() for ours in _patients(same) for group in _close(ours)]


def _name(file: DicomFile) -> tuple[object, ...]:
    series = (file.text("SeriesInstanceUID"),)
    # Where names were removed from files, series are told apart by what is left.
    return (series if series[0] else (file.text("SeriesNumber"), file.text("SeriesDescription"))), file.shape


def _patients(files: Sequence[DicomFile]) -> list[list[DicomFile]]:
    """Return the files of a series by patient: tools that take names away have given one identifier to several series.

    The same tools have given each slice a study, or a patient, of its own, which says nothing.
    """
    named: dict[str, list[DicomFile]] = {}
    for file in files:
        named.setdefault(file.patient_id, []).append(file)
    told = len(named) - ("" in named)
    if told < 2 or told > max(MOST_PATIENTS, len(files) / 2):
        return [list(files)]
    return list(named.values())


def _close(files: Sequence[DicomFile]) -> list[list[DicomFile]]:
    """Return groups of which each slice is oriented and spaced as the first is.

    Rounded numbers would not do: two that hardly differ may be rounded apart.
    """
    numbers = np.array([_numbers(file) for file in files])
    left, groups = np.arange(len(files)), []
    while left.size:
        is_close = (np.abs(numbers[left] - numbers[left[0]]) <= SAME_WITHIN).all(axis=1)
        groups.append([files[index] for index in left[is_close]])
        left = left[~is_close]
    return groups


def _numbers(file: DicomFile) -> Vector:
    """Return orientation and spacing, (8,); zeros, which neither can be, for what is missing."""
    orientation = np.zeros(6) if file.orientation is None else file.orientation
    return np.concatenate([orientation, file.spacing_mm or (0.0, 0.0)])


def _acquisitions(files: Sequence[DicomFile]) -> list[Group]:
    """Return the acquisitions of a series: those that overlap apart, for the patient has moved or breathed in between.

    Acquisitions that follow each other, one scan in blocks, stay together. Where nearly each slice has a number of its
    own it says nothing.
    """
    numbered: dict[str, list[DicomFile]] = {}
    for file in files:
        numbered.setdefault(file.text("AcquisitionNumber"), []).append(file)
    if len(numbered) == 1 or len(numbered) > max(2, min(len(files) / 2, MOST_ACQUISITIONS)):
        return [Group(tuple(files))]
    stacks: list[list[str]] = []
    spans = {number: _span(numbered[number], files) for number in sorted(numbered, key=_by_number)}
    for number, span in spans.items():
        fitting = [stack for stack in stacks if not any(_overlap(span, spans[other]) for other in stack)]
        if fitting:
            fitting[0].append(number)
        else:
            stacks.append([number])
    if len(stacks) == 1:
        return [Group(tuple(files))]
    return [Group(tuple(file for number in stack for file in numbered[number]), _named(stack)) for stack in stacks]


def _by_number(text: str) -> tuple[int, str]:
    return len(text), text


def _span(files: Sequence[DicomFile], series: Sequence[DicomFile]) -> tuple[float, float] | None:
    """Return the lowest and the highest depth along the series' normal, mm; None where no slice says where it lies."""
    placed = [file for file in files if file.position is not None]
    if not placed or series[0].orientation is None:
        return None
    along = depths(placed, series[0].orientation)
    return float(along.min()), float(along.max())


def _overlap(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    """Whether the higher of two spans begins below the end of the lower; they may share the place where they meet."""
    if one is None or other is None:
        return False
    lower, higher = sorted([one, other])
    return higher[0] < lower[1] - SAME_PLACE_MM


def _named(numbers: Sequence[str]) -> str:
    texts = [number or "without number" for number in numbers]
    shown = ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
    return f"{'acquisition' if len(texts) == 1 else 'acquisitions'} {shown}"
