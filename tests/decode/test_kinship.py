"""What belongs together of many slices, and what is kept apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.decode.ct import CtVolume
from tests.phantoms import dicom_bytes, phantom, series_bytes, slice_bytes, slice_dataset, volume_of

Numbered = list[tuple[float, str | None]]
"""Slices by where they lie, and the number of their acquisition."""


def volume(folder: Path, slices: Numbered) -> CtVolume:
    contents = []
    for place, acquisition in slices:
        elements: dict[str, Any] = {} if acquisition is None else {"AcquisitionNumber": acquisition}
        contents.append(dicom_bytes(slice_dataset(phantom()[0], place, **elements)))
    return volume_of(folder, *contents)


def heights(volume: CtVolume) -> list[float]:
    return [place.z_mm for place in volume.places if place.z_mm is not None]


@pytest.mark.parametrize(
    "elements",
    [
        ({"PixelSpacing": [2.40049, 2.40049]}, {"PixelSpacing": [2.40051, 2.40051]}),
        (
            {"ImageOrientationPatient": [1, 0.00499, 0, -0.00499, 1, 0]},
            {"ImageOrientationPatient": [1, 0.00501, 0, -0.00501, 1, 0]},
        ),
    ],
    ids=["spacing", "orientation"],
)
def test_numbers_that_hardly_differ_are_one_series(
    elements: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    read = volume_of(tmp_path, *(slice_bytes(number, **elements[number % 2]) for number in range(5)))
    assert (len(read), read.notes) == (5, ())


def test_slices_of_another_spacing_or_orientation_are_another_series(tmp_path: Path) -> None:
    others = [
        slice_bytes(1, PixelSpacing=[0.8, 0.702]),
        slice_bytes(2, ImageOrientationPatient=[1, 0, 0, 0, 0.99, 0.14]),
    ]
    read = volume_of(tmp_path, *series_bytes(), *others)
    assert len(read) == 5
    assert read.notes[0].startswith("Of 3 series the largest was read")


@pytest.mark.parametrize("elements", [{"SeriesNumber": 3}, {"SeriesDescription": "Thin"}])
def test_without_identifiers_series_are_told_apart_by_their_names(elements: dict[str, Any], tmp_path: Path) -> None:
    other = series_bytes(range(4), SeriesInstanceUID="", **elements)
    read = volume_of(tmp_path, *other, *series_bytes(SeriesInstanceUID=""))
    assert len(read) == 5
    assert read.notes[0].startswith("Of 2 series the largest was read: “Lung 5.0” (5 slices).")


def test_a_name_does_not_part_what_an_identifier_joins(tmp_path: Path) -> None:
    assert len(volume_of(tmp_path, slice_bytes(0), slice_bytes(1, SeriesDescription="Thin"))) == 2


def between(numbers: Iterable[int], **elements: Any) -> list[bytes]:
    """Return slices that lie between those of the phantom, as if they were of one scan with them."""
    return [dicom_bytes(slice_dataset(phantom()[0], number + 0.5, **elements)) for number in numbers]


def test_patients_whose_series_have_one_identifier_are_kept_apart(tmp_path: Path) -> None:
    read = volume_of(tmp_path, *between(range(3), PatientID="B"), *series_bytes(PatientID="A"))
    assert heights(read) == pytest.approx([100.0 + 5.0 * number for number in range(5)])
    assert read.notes == (
        "The files name 2 different patients (PatientID). Only a series of one of them was read: send each patient's "
        "files by themselves.",
        "Of 2 series the largest was read: “Lung 5.0” (5 slices). Left out: “Lung 5.0” (3).",
    )


@pytest.mark.parametrize("names", ["AB", "BA"])
def test_of_patients_with_as_many_slices_the_same_is_read_in_any_order(names: str, tmp_path: Path) -> None:
    of = {"A": series_bytes(PatientID="A"), "B": between(range(5), PatientID="B")}
    read = volume_of(tmp_path, *(content for name in names for content in of[name]))
    assert heights(read) == pytest.approx([100.0 + 5.0 * number for number in range(5)])
    assert read.notes[1].startswith("Of 2 series one of the largest was read: “Lung 5.0” (5 slices).")


def test_patients_of_different_series_are_told(tmp_path: Path) -> None:
    other = series_bytes((0, 1), PatientID="B", SeriesInstanceUID="1.9")
    assert volume_of(tmp_path, *series_bytes(PatientID="A"), *other).notes[0].startswith("The files name 2 different")


def test_a_series_without_a_patient_is_not_said_to_be_of_one(tmp_path: Path) -> None:
    others = [*between((0, 1), PatientID="A"), *between((2, 3), PatientID="B")]
    read = volume_of(tmp_path, *series_bytes(PatientID=""), *others)
    assert len(read) == 5
    assert "Only a series that names none was read" in read.notes[0]


def test_slices_that_name_no_patient_belong_to_the_only_one_of_the_series(tmp_path: Path) -> None:
    read = volume_of(tmp_path, *series_bytes(range(3), PatientID="A"), *series_bytes((3, 4), PatientID=""))
    assert (len(read), read.notes) == (5, ())


def test_patients_of_each_slice_its_own_say_nothing(tmp_path: Path) -> None:
    slices = [between((number,), PatientID=str(number)) for number in range(11)]
    read = volume_of(tmp_path, *(content for (content,) in slices))
    assert len(read) == 11
    assert read.notes == (
        "The slices that were read name 11 different patients (PatientID), most slices one of their own: check that "
        "they are of one.",
    )


def test_single_slices_of_a_few_patients_are_kept_apart(tmp_path: Path) -> None:
    read = volume_of(tmp_path, *(slice_bytes(number, PatientID=str(number)) for number in range(3)))
    assert len(read) == 1
    assert read.notes[0].startswith("The files name 3 different patients (PatientID). Only a series of one of them")


def test_a_rescan_that_overlaps_is_kept_apart(tmp_path: Path) -> None:
    first: Numbered = [(number, "1") for number in range(6)]
    again: Numbered = [(number + 0.4, "2") for number in range(5)]
    read = volume(tmp_path, [*again, *first])
    np.testing.assert_allclose(heights(read), [100.0 + 5.0 * number for number in range(6)])
    assert read.notes == (
        "Of 2 series and acquisitions the largest was read: “Lung 5.0”, acquisition 1 (6 slices). Left out: “Lung "
        "5.0”, acquisition 2 (5).",
    )


def test_a_single_slice_that_was_scanned_again_is_kept_apart(tmp_path: Path) -> None:
    read = volume(tmp_path, [*((number, "1") for number in range(5)), (2.4, None)])
    assert len(read) == 5
    assert read.notes[0].endswith("Left out: “Lung 5.0”, acquisition without number (1).")


def test_one_scan_in_two_blocks_is_one_volume(tmp_path: Path) -> None:
    # They meet at one place.
    read = volume(tmp_path, [*((number, "1") for number in range(4)), *((number, "2") for number in range(3, 7))])
    assert len(read) == 7
    assert read.notes == ("1 slice was found to lie at a place where another lies; one of each was read.",)


def test_of_two_scans_in_two_blocks_each_is_kept_whole(tmp_path: Path) -> None:
    blocks = {"1": range(4), "2": range(4, 8), "3": range(4), "4": range(4, 7)}
    read = volume(tmp_path, [(number, name) for name, numbers in blocks.items() for number in numbers])
    assert len(read) == 8
    assert "“Lung 5.0”, acquisitions 1, 2 (8 slices)" in read.notes[0]


def test_numbers_of_acquisitions_that_each_slice_has_another_of_say_nothing(tmp_path: Path) -> None:
    numbered: Numbered = [(number, str(number)) for number in range(6)]
    # Two slices share a number, which alone would part what lies between them.
    read = volume(tmp_path, [*numbered, (6, "0")])
    assert (len(read), read.notes) == (7, ())
