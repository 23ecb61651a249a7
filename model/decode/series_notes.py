"""What is told of a series: what was left out beside it, and what is odd about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from model.decode.dicom import DicomFile, Vector
from model.decode.kinds import SourceFile, shown
from model.decode.kinship import Group
from model.errors import InputError

TILT_FROM_DEGREES = 1.0
"""Gantry tilt from which it is told."""

MAX_REASONS = 5
"""How many reasons for leaving files out are told."""

STRAY_FROM_MM = 1.0
"""How far slices may lie off the straight line through the first and last of them."""


def left_out(chosen: Group, others: Sequence[Group], refused: dict[SourceFile, InputError]) -> list[str]:
    """Say which series was chosen where there were several, and what else was left."""
    notes = _several_patients(chosen, others)
    if others:
        split = any(group.acquisition for group in (chosen, *others))
        rest = ", ".join(f"{_title(group)} ({len(group)})" for group in others[:5])
        rest += "" if len(others) <= 5 else f" and {len(others) - 5} more"
        is_alone = all(len(chosen) != len(other) for other in others)
        largest = "the largest" if is_alone else "one of the largest"
        notes.append(
            f"Of {len(others) + 1} series{' and acquisitions' if split else ''} {largest} was read: "
            f"{_title(chosen)} ({_slices(len(chosen))}). Left out: {rest}."
        )
    reasons = Counter(_reason(exc) for exc in refused.values()).most_common()
    for sentence, count in reasons[:MAX_REASONS]:
        notes.append(f"{_files(count)} left out. {sentence}")
    if len(reasons) > MAX_REASONS:
        notes.append(f"{_files(sum(count for _, count in reasons[MAX_REASONS:]))} left out for other reasons.")
    return notes


def _several_patients(chosen: Group, others: Sequence[Group]) -> list[str]:
    """Say where slices name several patients; who they are is not for notes, which go into files."""
    ours = _patients([chosen])
    count = len(_patients([chosen, *others]))
    if count < 2:
        return []
    if len(ours) > 1:
        return [
            f"The slices that were read name {len(ours)} different patients (PatientID), most slices one of their own: "
            "check that they are of one."
        ]
    read = "a series of one of them" if ours else "a series that names none"
    return [
        f"The files name {count} different patients (PatientID). Only {read} was read: send each patient's files by "
        "themselves."
    ]


def _patients(groups: Sequence[Group]) -> set[str]:
    return {file.patient_id for group in groups for file in group.files} - {""}


def _reason(exc: InputError) -> str:
    """Return what was wrong, without what to do about it: the rest was read, so nothing need be done."""
    return str(exc).partition(". ")[0].removesuffix(".") + "."


def _slices(count: int) -> str:
    return f"{count} {'slice' if count == 1 else 'slices'}"


def _files(count: int) -> str:
    return f"{count} {'file was' if count == 1 else 'files were'}"


def _title(group: Group) -> str:
    """Return what a series may be called by: its description is written by people and may hold anything."""
    file = group.files[0]
    number, text = shown(file.text("SeriesNumber"), 16), shown(file.text("SeriesDescription"), 40)
    series = f"“{text}”" if text else f"series {number}" if number else "a series without a name"
    return f"{series}, {shown(group.acquisition, 60)}" if group.acquisition else series


def without_place(count: int) -> list[str]:
    """Say how many slices of the series were left out because they do not say where they lie."""
    if not count:
        return []
    if count == 1:
        return ["1 slice of the series was left out: it does not say where in the patient it lies."]
    return [f"{count} slices of the series were left out: they do not say where in the patient they lie."]


def doubled(count: int) -> list[str]:
    """Say how many slices of the series were left out because others lie where they lie."""
    if not count:
        return []
    return [f"{'1 slice was found to lie' if count == 1 else f'{count} slices lie'} at a place where another lies; "
            "one of each was read."]  # fmt: skip


def tilt(positions: Vector, orientation: Vector) -> list[str]:
    """Say where slices do not lie straight above each other.

    positions : (slices, 3) in mm, of two slices or more. orientation : (6,), see `DicomFile`.
    """
    normal = np.cross(orientation[:3], orientation[3:])
    way = positions[-1] - positions[0]
    notes = []
    degrees = float(np.degrees(np.arccos(np.clip(abs(way @ normal) / np.linalg.norm(way), 0.0, 1.0))))
    if degrees >= TILT_FROM_DEGREES:
        notes.append(
            f"The gantry was tilted by {degrees:.0f} degrees. Volumes are right; the NIfTI files hold the tilt as a "
            "shear, which not every viewer shows."
        )
    shares = (positions - positions[0]) @ way / (way @ way)
    stray = np.linalg.norm(positions - positions[0] - np.outer(shares, way), axis=1).max()
    if stray > STRAY_FROM_MM:
        notes.append(f"The slices do not lie in a line: one is {stray:.1f} mm aside.")
    return notes


def unknown(file: DicomFile) -> list[str]:
    """Say what cannot be told for want of a header."""
    notes = []
    if file.spacing_mm is None:
        notes.append("The header does not state the pixel spacing, so nothing is given in millimetres.")
    if file.orientation is None:
        notes.append("The header does not state the orientation, so right and left are not told apart.")
    return notes
