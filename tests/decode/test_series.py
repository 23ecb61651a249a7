from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.decode.ct import CtVolume, Place
from model.decode.study import VolumeStudy
from model.errors import DamagedImage, InputError, NotCt
from tests.phantoms import (
    AFFINE,
    SHAPE,
    compress,
    dicom_bytes,
    opened,
    phantom,
    position_of,
    series_bytes,
    slice_bytes,
    slice_dataset,
    values_of,
    volume_of,
)

UNORDERED = (3, 0, 4, 2, 1)


def assert_is_phantom(volume: CtVolume) -> None:
    np.testing.assert_array_equal(values_of(volume), phantom())
    assert volume.shape == SHAPE
    assert volume.sides_known
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-9)
    assert volume.spacing_mm == pytest.approx((0.8, 0.7))
    assert volume.extents_mm == pytest.approx((5.0,) * 5)


# How the phantom is stored: the slice, where its first pixel lies, along what its rows and columns go, its spacing.
# 39 rows and 35 columns further it lies 31.2 mm more to the back, and 24.5 mm more to the left.
STORED: dict[str, tuple[Any, list[float], list[float], list[float]]] = {
    "as displayed": (np.asarray, [-10.0, -20.0], [1, 0, 0, 0, 1, 0], [0.8, 0.7]),
    "rows and columns reversed": (lambda a: a[::-1, ::-1], [14.5, 11.2], [-1, 0, 0, 0, -1, 0], [0.8, 0.7]),
    "rows reversed": (lambda a: a[::-1], [-10.0, 11.2], [1, 0, 0, 0, -1, 0], [0.8, 0.7]),
    "columns reversed": (lambda a: a[:, ::-1], [14.5, -20.0], [-1, 0, 0, 0, 1, 0], [0.8, 0.7]),
    "transposed": (np.transpose, [-10.0, -20.0], [0, 1, 0, 1, 0, 0], [0.7, 0.8]),
    "transposed and reversed": (lambda a: a[::-1, ::-1].T, [14.5, 11.2], [0, -1, 0, -1, 0, 0], [0.7, 0.8]),
}


@pytest.mark.parametrize("name", STORED)
def test_a_series_comes_as_displayed_however_it_is_stored(name: str, tmp_path: Path) -> None:
    store, corner, orientation, spacing = STORED[name]
    contents = []
    for number in UNORDERED:
        elements = {
            "ImagePositionPatient": [*corner, 100.0 + 5.0 * number],
            "ImageOrientationPatient": orientation,
            "PixelSpacing": spacing,
        }
        stored = np.ascontiguousarray(store(phantom()[number]))
        contents.append(dicom_bytes(slice_dataset(stored, number, **elements)))
    study = opened(tmp_path, *contents)
    assert isinstance(study, VolumeStudy)
    assert_is_phantom(study.volume)
    assert study.volume.read(0).spacing_mm == pytest.approx((0.8, 0.7))
    assert study.volume.notes == ()


def test_names_and_numbers_do_not_order_slices(tmp_path: Path) -> None:
    contents = [slice_bytes(number, InstanceNumber=9 - number) for number in UNORDERED]
    assert_is_phantom(volume_of(tmp_path, *contents, names=["5.dcm", "4.dcm", "3.dcm", "2.dcm", "1.dcm"]))


def test_an_orientation_that_is_written_roughly_is_no_tilt(tmp_path: Path) -> None:
    # Its length is 0.995, by which the angle between 1.0 and it would be 5.7 degrees.
    volume = volume_of(tmp_path, *series_bytes(ImageOrientationPatient=[0.995, 0, 0, 0, 0.995, 0]))
    assert_is_phantom(volume)
    assert volume.notes == ()


def test_oblique_slices_keep_their_angle(tmp_path: Path) -> None:
    cosine, sine = np.cos(np.radians(10)), np.sin(np.radians(10))
    turn = np.array([[cosine, -sine, 0, 0], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    expected = turn @ AFFINE
    orientation = [cosine, sine, 0.0, -sine, cosine, 0.0]
    contents = [
        slice_bytes(number, ImageOrientationPatient=orientation, ImagePositionPatient=_round(expected, number))
        for number in UNORDERED
    ]
    volume = volume_of(tmp_path, *contents)
    np.testing.assert_array_equal(values_of(volume), phantom())
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine, expected, atol=1e-6)


def _round(affine: NDArray[np.float64], number: int) -> list[float]:
    """Return where the first pixel of a slice lies, in as many digits as DICOM has."""
    return [round(float(value), 8) for value in affine[:3, 3] + number * affine[:3, 2]]


def test_gantry_tilt_is_told_and_kept(tmp_path: Path) -> None:
    # Slices 5 mm apart along the table lie 5 * cos 20 = 4.698 mm apart where the gantry leans by 20 degrees.
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    volume = volume_of(tmp_path, *series_bytes(ImageOrientationPatient=[1, 0, 0, 0, cosine, -sine]))
    (note,) = volume.notes
    assert note.startswith("The gantry was tilted by 20 degrees.")
    assert volume.extents_mm == pytest.approx((4.6985,) * 5, abs=1e-4)
    assert volume.affine is not None
    np.testing.assert_allclose(volume.affine[:3, 2], [0.0, 0.0, 5.0])
    np.testing.assert_allclose(volume.affine[:3, 1], [0.0, 0.8 * cosine, -0.8 * sine])


@pytest.mark.parametrize(
    ("numbers", "note", "extents"),
    [
        ((0, 1, 2, 4), "1 slice seems to be missing: .* grows from 5 to 10 mm", (5.0, 5.0, 7.5, 10.0)),
        ((0, 1, 2, 5.0), "2 slices seem to be missing: .* grows from 5 to 15 mm", (5.0, 5.0, 10.0, 15.0)),
        ((0, 1, 2.2, 3.2), "unevenly spaced, 5 to 6 mm", (5.0, 5.5, 5.5, 5.0)),
        ((0, 1, 2.05, 3.05), None, (5.0, 5.125, 5.125, 5.0)),
    ],
)
def test_gaps_are_told_and_counted(
    numbers: tuple[float, ...], note: str | None, extents: tuple[float, ...], tmp_path: Path
) -> None:
    contents = [dicom_bytes(slice_dataset(phantom()[int(number) % 5], number)) for number in numbers]
    volume = volume_of(tmp_path, *contents)
    assert volume.extents_mm == pytest.approx(extents)
    if note is None:
        assert volume.notes == ()
    else:
        assert len(volume.notes) == 1
        assert re.search(note, volume.notes[0])


def test_of_slices_at_one_place_the_one_with_the_lowest_number_is_read(tmp_path: Path) -> None:
    doubles = [slice_bytes(number, PixelData=bytes(2 * 40 * 36), InstanceNumber=50) for number in (1, 2)]
    volume = volume_of(tmp_path, *doubles, *series_bytes())
    assert_is_phantom(volume)
    assert volume.notes == ("2 slices lie at a place where another lies; one of each was read.",)


def test_a_slice_aside_of_the_others_is_told(tmp_path: Path) -> None:
    contents = series_bytes((0, 1, 3, 4)) + [slice_bytes(2, ImagePositionPatient=[-7.0, -16.0, 110.0])]
    volume = volume_of(tmp_path, *contents)
    assert volume.notes == ("The slices do not lie in a line: one is 5.0 mm aside.",)


@pytest.mark.parametrize(
    "elements",
    [
        {"ImagePositionPatient": None},
        {"ImagePositionPatient": [1.0, 2.0]},
        {"ImagePositionPatient": ["1e300", 0, 0]},
    ],
)
def test_slices_without_a_place_are_left_out(elements: dict[str, Any], tmp_path: Path) -> None:
    volume = volume_of(tmp_path, *series_bytes(), slice_bytes(4, **elements))
    assert_is_phantom(volume)
    assert volume.notes == ("1 slice of the series was left out: it does not say where in the patient it lies.",)


def test_a_series_of_which_half_has_no_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotCt, match="2 slices belong to one series, but 1 of them do not say where in the patient"):
        opened(tmp_path, slice_bytes(0), slice_bytes(1, ImagePositionPatient=None))


def test_each_slice_tells_where_other_viewers_have_it(tmp_path: Path) -> None:
    contents = [slice_bytes(number, InstanceNumber=40 - number) for number in UNORDERED]
    assert volume_of(tmp_path, *contents).places == tuple(Place(100.0 + 5.0 * n, 40 - n) for n in range(5))


def test_of_slices_alike_in_place_and_number_the_same_is_read_in_any_order(tmp_path: Path) -> None:
    twins = [slice_bytes(1, SOPInstanceUID="1.2.1"), slice_bytes(1, SOPInstanceUID="1.2.2", PixelData=bytes(2880))]
    for name, doubles in (("one way", twins), ("the other", twins[::-1])):
        volume = volume_of(tmp_path / name, slice_bytes(0), *doubles)
        np.testing.assert_array_equal(volume.read(1).pixels, phantom()[1])


def test_copies_of_a_slice_are_told_apart_by_their_names(tmp_path: Path) -> None:
    twins = {
        "a": slice_bytes(1, SOPInstanceUID="1.2"),
        "b": slice_bytes(1, SOPInstanceUID="1.2", PixelData=bytes(2880)),
    }
    for names in ("ab", "ba"):
        volume = volume_of(tmp_path / names, *(twins[name] for name in names), names=names)
        np.testing.assert_array_equal(volume.read(0).pixels, phantom()[1])


@pytest.mark.parametrize("name", ["as displayed", "rows reversed"])
def test_where_a_tilted_slice_lies_is_told_of_its_centre(name: str, tmp_path: Path) -> None:
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    way = [0, cosine, -sine] if name == "as displayed" else [0, -cosine, sine]
    # 39 rows further it lies 31.2 mm along the column.
    height = 100.0 if name == "as displayed" else 100.0 - 31.2 * sine
    elements = {"ImageOrientationPatient": [1, 0, 0, *way], "ImagePositionPatient": [-10.0, -20.0, round(height, 6)]}
    volume = volume_of(tmp_path, slice_bytes(0, **elements))
    assert volume.places[0].z_mm == pytest.approx(100.0 - 15.6 * sine, abs=1e-4)


def test_a_single_slice_may_stand_for_much(tmp_path: Path) -> None:
    affine = volume_of(tmp_path, slice_bytes(0, SliceThickness=50.0)).affine
    assert affine is not None
    assert affine[2, 2] == 50.0


def test_a_place_that_is_unknown_is_none(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, slice_bytes(0, InstanceNumber=None, ImagePositionPatient=None))
    assert volume.places == (Place(None, None),)


def test_a_series_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.decode.series.MAX_SLICES", 4)
    with pytest.raises(NotCt, match="The series has 5 slices; at most 4 are read"):
        opened(tmp_path, *series_bytes())


def test_a_place_that_is_no_number_is_none(tmp_path: Path) -> None:
    # pydicom raises where it is asked for such a value.
    content = slice_bytes(0).replace(b"-10.0\\-20.0\\100.0", b"NaN\\--1\\1e999 abc")
    assert b"NaN" in content
    assert volume_of(tmp_path, content).affine is None


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0.7071, -0.7071]])
def test_slices_along_the_body_are_refused(orientation: list[float], tmp_path: Path) -> None:
    with pytest.raises(NotCt, match="not axial"):
        opened(tmp_path, *series_bytes(ImageOrientationPatient=orientation))


def test_of_several_series_the_largest_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    hostile = {"SeriesDescription": "Scout\u202e" + "x" * 50, "SpecificCharacterSet": "ISO_IR 192"}
    scout = series_bytes((0,), SeriesInstanceUID="1.9", **hostile)
    unnamed = series_bytes((0, 1), SeriesInstanceUID="1.8", SeriesDescription="", SeriesNumber=7)
    volume = volume_of(tmp_path, *scout, *unnamed, *series_bytes())
    assert_is_phantom(volume)
    assert volume.notes == (
        "Of 3 series the largest was read: “Lung 5.0” (5 slices). Left out: series 7 (2), “Scout"
        + "x" * 34
        + "…” (1).",
    )


def test_slices_of_another_size_are_another_series(tmp_path: Path) -> None:
    small = dicom_bytes(slice_dataset(phantom()[2][:36], 2))
    volume = volume_of(tmp_path, small, *series_bytes())
    assert_is_phantom(volume)
    assert volume.notes == ("Of 2 series the largest was read: “Lung 5.0” (5 slices). Left out: “Lung 5.0” (1).",)


def test_a_larger_series_that_is_not_axial_is_left_out(tmp_path: Path) -> None:
    coronal = series_bytes(SeriesInstanceUID="1.9", ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    volume = volume_of(tmp_path, *coronal, slice_bytes(0))
    assert len(volume) == 1
    assert volume.notes[0].startswith("Of 2 series the largest was read: “Lung 5.0” (1 slice)")


def test_what_is_left_out_is_told_by_its_reason(tmp_path: Path) -> None:
    others = [slice_bytes(0, Modality="MR"), slice_bytes(1, Modality="MR"), slice_bytes(2, PixelData=None)]
    volume = volume_of(tmp_path, *others, *series_bytes())
    assert_is_phantom(volume)
    assert volume.notes == (
        "2 files were left out. This DICOM file is no CT: its modality is MR.",
        "1 file was left out. This DICOM file has no pixels: it is a report or another document, or it was cut short.",
    )


def test_reasons_without_end_are_told_in_part(tmp_path: Path) -> None:
    others = [slice_bytes(0, Modality=f"X{number}") for number in range(8)]
    notes = volume_of(tmp_path, *others, *series_bytes()).notes
    assert len(notes) == 6
    assert notes[-1] == "3 files were left out for other reasons."


def test_the_reason_that_most_files_have_is_told_where_none_is_read(tmp_path: Path) -> None:
    with pytest.raises(NotCt, match="its modality is MR"):
        opened(tmp_path, slice_bytes(0, PixelData=None), *series_bytes(range(2), Modality="MR"))


def _cut_short(total: int, cut: range) -> list[bytes]:
    contents = [dicom_bytes(slice_dataset(phantom()[0], number)) for number in range(total)]
    return [content[:-100] if number in cut else content for number, content in enumerate(contents)]


def test_a_truncated_slice_of_a_series_is_left_out_and_missed(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, *_cut_short(10, range(2, 3)))
    assert len(volume) == 9
    assert volume.notes[0] == "1 file was left out. The DICOM file is damaged or was cut short."
    assert volume.notes[1].startswith("1 slice seems to be missing")


def test_a_series_with_many_truncated_slices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedImage, match="2 of 10 DICOM files are damaged or were cut short; what is measured"):
        opened(tmp_path, *_cut_short(10, range(2, 4)))


@pytest.mark.parametrize("lying_right", [0, 3])
def test_slices_that_nearly_all_claim_one_place_are_refused(lying_right: int, tmp_path: Path) -> None:
    wrong = [dicom_bytes(slice_dataset(phantom()[0], 0, InstanceNumber=10 + number)) for number in range(9)]
    right = [slice_bytes(number) for number in range(1, 1 + lying_right)]
    with pytest.raises(NotCt, match=f"9 of the {9 + lying_right} slices of the series claim to lie at one place"):
        opened(tmp_path, *wrong, *right)


@pytest.mark.parametrize("times", [2, 3])
def test_of_several_reconstructions_in_one_series_one_is_read(times: int, tmp_path: Path) -> None:
    contents = [
        slice_bytes(number, InstanceNumber=1 + 5 * time + number) for time in range(times) for number in range(5)
    ]
    # One of the last is missing.
    volume = volume_of(tmp_path, *contents[:-1])
    assert_is_phantom(volume)
    assert volume.notes == (f"{5 * times - 6} slices lie at a place where another lies; one of each was read.",)


def test_copies_of_one_slice_are_one_slice(tmp_path: Path) -> None:
    assert len(volume_of(tmp_path, *[slice_bytes(0)] * 4)) == 1


def test_a_slice_whose_pixels_are_damaged_is_named(tmp_path: Path) -> None:
    content = compress(slice_bytes(1), "RLELossless")
    # The table of the frame's parts is gone.
    at = content.rindex(b"\x02\0\0\0\x40\0\0\0")
    damaged = content[:at] + bytes(64) + content[at + 64 :]
    volume = volume_of(tmp_path, slice_bytes(0), damaged, names=["a/IM0.dcm", "a/IM1.dcm"])
    np.testing.assert_array_equal(volume.read(0).pixels, phantom()[0])
    with pytest.raises(DamagedImage, match="The compressed pixels of a/IM1.dcm are damaged"):
        volume.read(1)


def test_the_same_series_is_never_refused_for_its_description(tmp_path: Path) -> None:
    # pydicom raises for an alphabet that it does not know.
    content = slice_bytes(0, SpecificCharacterSet="ISO_IR 100").replace(b"ISO_IR 100", b"KLINGON 99")
    try:
        notes = volume_of(tmp_path, content, *series_bytes(SeriesInstanceUID="1.9")).notes
    except InputError as exc:
        assert str(exc).endswith(".")
    else:
        assert notes[0].startswith("Of 2 series")


def test_positions_are_counted_from_the_feet(tmp_path: Path) -> None:
    # A scan from the head to the feet has its first image on top.
    contents = [slice_bytes(number, InstanceNumber=5 - number) for number in (4, 3, 2, 1, 0)]
    volume = volume_of(tmp_path, *contents)
    assert volume.affine is not None
    assert volume.affine[:3, 3].tolist() == position_of(0)
    assert_is_phantom(volume)
