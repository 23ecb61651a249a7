from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import SegmentationStorage

from model.card import Identity
from model.decode.kinds import SourceFile
from model.decode.series import read_series
from model.export.dicom_seg import is_linked, is_possible, write_seg
from model.export.nifti import Target, write_mask
from model.warning import LABEL
from tests.volume.written import IDENTITY, STORED, by_hand, chest, uid, write_series

SHAPE = (4, 40, 48)
MASK = "mask.nii.gz"


def marked() -> NDArray[np.float32]:
    """Asymmetric in each direction: three pixels of slice 1, two of slice 2, none at the ends."""
    lesion = np.zeros(SHAPE, np.float32)
    lesion[1, 10, 12:15] = 0.9
    lesion[2, 11:13, 30] = 0.8
    return lesion


def write(
    folder: Path, sources: list[SourceFile], lesion: NDArray[np.float32] | None = None, model: Identity = IDENTITY
) -> Path:
    series = read_series(sources)
    segmentation = by_hand(series.volume, folder / "slices", marked() if lesion is None else lesion)
    write_mask(segmentation.files, Target(series.volume, None), folder / MASK, threshold=0.5)
    write_seg(series.grid, segmentation.files, folder / "mask.dcm", threshold=0.5, model=model)
    return folder / "mask.dcm"


def places_in_seg(seg: Dataset) -> set[tuple[float, ...]]:
    """Where the marked pixels lie, (x, y, z) in mm in DICOM's frame, rounded: by the header of each frame alone."""
    frames = np.atleast_3d(seg.pixel_array) if seg.NumberOfFrames > 1 else seg.pixel_array[np.newaxis]
    shared = seg.SharedFunctionalGroupsSequence[0]
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    places = set()
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        plane = group if "PlaneOrientationSequence" in group else shared
        orientation = np.array(plane.PlaneOrientationSequence[0].ImageOrientationPatient, np.float64)
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, np.float64)
        for row, column in np.argwhere(frame):
            place = position + column * spacing[1] * orientation[:3] + row * spacing[0] * orientation[3:]
            places.add(tuple(np.round(place, 3).tolist()))
    return places


def places_in_nifti(path: Path) -> set[tuple[float, ...]]:
    image = nibabel.load(path)
    places = [image.affine @ [*index, 1] for index in np.argwhere(np.asarray(image.dataobj))]
    return {tuple(np.round([-x, -y, z], 3).tolist()) for x, y, z, _ in places}


@pytest.mark.parametrize("stored", STORED)
def test_its_lesions_lie_where_those_of_the_nifti_mask_lie(stored: str, tmp_path: Path) -> None:
    path = write(tmp_path, write_series(tmp_path / "scan", chest(), stored=stored))
    places = places_in_seg(dcmread(path))
    # Slice 1, row 10, columns 12 to 14; slice 2, rows 11 and 12, column 30; from (-70, -50, 100) by (3, 2, 4) mm.
    assert places == {
        (-34.0, -30.0, 104.0),
        (-31.0, -30.0, 104.0),
        (-28.0, -30.0, 104.0),
        (20.0, -28.0, 108.0),
        (20.0, -26.0, 108.0),
    }
    assert places == places_in_nifti(tmp_path / MASK)


@pytest.mark.parametrize("stored", STORED)
def test_its_frames_are_as_their_slices_are_stored(stored: str, tmp_path: Path) -> None:
    # The lesion is where the scan is brightest: as stored, both must be the same pixels.
    hounsfield = chest()
    hounsfield[marked() > 0.5] = 900.0
    sources = write_series(tmp_path / "scan", hounsfield, stored=stored)
    seg = highdicom.seg.segread(write(tmp_path, sources))
    by_uid = {dataset.SOPInstanceUID: dataset for dataset in (dcmread(source.path) for source in sources)}
    pixels = seg.get_pixels_by_source_instance([uid(4, 2), uid(4, 3)])
    assert pixels.shape[0] == 2
    for mask, name in zip(pixels[..., 0], (uid(4, 2), uid(4, 3)), strict=True):
        assert np.array_equal(mask > 0, by_uid[name].pixel_array == (900 + 2048) // 2)


def test_there_is_a_frame_for_each_slice_with_lesion(tmp_path: Path) -> None:
    seg = dcmread(write(tmp_path, write_series(tmp_path / "scan", chest())))
    assert seg.SOPClassUID == SegmentationStorage
    assert seg.NumberOfFrames == 2
    named = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in seg.PerFrameFunctionalGroupsSequence
    ]
    counts = seg.pixel_array.reshape(2, -1).sum(axis=1).tolist()
    assert dict(zip(named, counts, strict=True)) == {uid(4, 2): 3, uid(4, 3): 2}


def test_it_belongs_to_the_patient_and_the_study(tmp_path: Path) -> None:
    seg = dcmread(write(tmp_path, write_series(tmp_path / "scan", chest())))
    assert (seg.PatientName, seg.PatientID, seg.StudyDate) == ("Doe^Jane", "4711", "20200401")
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID) == (uid(1), uid(3))
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == uid(2)
    assert seg.SeriesInstanceUID != uid(2)


def test_it_says_what_it_is_and_who_made_it(tmp_path: Path) -> None:
    seg = dcmread(write(tmp_path, write_series(tmp_path / "scan", chest())))
    (segment,) = seg.SegmentSequence
    assert (seg.Modality, seg.SegmentationType, segment.SegmentLabel) == ("SEG", "BINARY", "COVID-19 lesion")
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert (seg.Manufacturer, seg.ManufacturerModelName) == ("Groundglass", "tested-1")
    assert "research only" in seg.SeriesDescription.lower()


def test_an_empty_mask_is_an_answer(tmp_path: Path) -> None:
    path = write(tmp_path, write_series(tmp_path / "scan", chest()), np.zeros(SHAPE, np.float32))
    seg = highdicom.seg.segread(path)
    assert seg.NumberOfFrames == 4
    assert not seg.pixel_array.any()


def test_a_single_slice_has_a_mask(tmp_path: Path) -> None:
    sources = write_series(tmp_path / "scan", chest()[1:2])
    path = write(tmp_path, sources, marked()[1:2])
    assert places_in_seg(dcmread(path)) == {(-34.0, -30.0, 100.0), (-31.0, -30.0, 100.0), (-28.0, -30.0, 100.0)}
    assert highdicom.seg.segread(path).NumberOfFrames == 1


UNTIDY: dict[str, dict[str, Any]] = {
    "no identifiers": {"StudyInstanceUID": None, "FrameOfReferenceUID": None, "SOPInstanceUID": None},
    "invalid identifiers": {"StudyInstanceUID": "9-f:a", "SeriesInstanceUID": "x", "SOPInstanceUID": "1.2.3.4.x"},
    "one identifier for all slices": {"SOPInstanceUID": uid(9)},
    "no names": {"PatientName": None, "PatientID": None, "StudyDate": None},
    "an unknown sex": {"PatientSex": "N"},
    "a date that is none": {"PatientBirthDate": "ANON", "StudyDate": "2020-04", "StudyTime": "noon"},
    "a long number": {"AccessionNumber": "A" * 40, "PatientID": "P" * 80, "StudyID": "S" * 40},
    "a name in Cyrillic": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Иванов^Пётр"},
    "a name in Latin-1": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg"},
    "a name in three scripts": {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    },
    "a rounded orientation": {"ImageOrientationPatient": [0.998, 0.06, 0, -0.06, 0.998, 0]},
}


@pytest.mark.parametrize("elements", UNTIDY.values(), ids=UNTIDY)
def test_untidy_headers_do_not_hinder(elements: dict[str, Any], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # pydicom warns of writing such values.
        warnings.simplefilter("ignore")
        sources = write_series(tmp_path / "scan", chest(), **elements)
    path = write(tmp_path, sources)
    in_seg, in_nifti = sorted(places_in_seg(highdicom.seg.segread(path))), sorted(places_in_nifti(path.parent / MASK))
    assert len(in_seg) == 5
    # An orientation that was rounded is repeated as it is.
    np.testing.assert_allclose(in_seg, in_nifti, atol=0.05)


@pytest.mark.parametrize("name", ["a name in Cyrillic", "a name in Latin-1", "a name in three scripts"])
def test_a_name_is_carried_in_any_script(name: str, tmp_path: Path) -> None:
    seg = dcmread(write(tmp_path, write_series(tmp_path / "scan", chest(), **UNTIDY[name])))
    assert str(seg.PatientName) == UNTIDY[name]["PatientName"]


def test_slices_of_one_series_may_name_several_studies(tmp_path: Path) -> None:
    # What removes names from files has been seen to give each file a study and a frame of reference of its own.
    sources = write_series(tmp_path / "scan", chest())
    for number, source in enumerate(sources):
        dataset = dcmread(source.path)
        dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = uid(1, number), uid(3, number)
        dataset.save_as(source.path)
    assert highdicom.seg.segread(write(tmp_path, sources)).NumberOfFrames == 2


def test_what_is_no_date_and_no_sex_is_left_empty(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        untidy = {"PatientSex": "N", "PatientBirthDate": "ANON", "StudyTime": "1030"}
        sources = write_series(tmp_path / "scan", chest(), **untidy)
    seg = dcmread(write(tmp_path, sources))
    assert not seg.PatientSex
    assert not seg.PatientBirthDate
    assert (seg.StudyDate, seg.StudyTime) == ("20200401", "1030")


def test_made_up_identifiers_are_alike_each_time(tmp_path: Path) -> None:
    sources = write_series(tmp_path / "scan", chest(), **UNTIDY["no identifiers"])
    one, other = (dcmread(write(tmp_path / name, sources)) for name in ("one", "other"))
    assert one.StudyInstanceUID == other.StudyInstanceUID
    assert one.FrameOfReferenceUID == other.FrameOfReferenceUID
    assert one.SOPInstanceUID != other.SOPInstanceUID


def test_identifiers_that_slices_share_are_no_link(tmp_path: Path) -> None:
    sources = write_series(tmp_path / "scan", chest())
    assert is_linked(read_series(sources).grid)
    shared = write_series(tmp_path / "shared", chest(), **UNTIDY["one identifier for all slices"])
    assert not is_linked(read_series(shared).grid)
    seg = dcmread(write(tmp_path, shared))
    named = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in seg.PerFrameFunctionalGroupsSequence
    ]
    assert len({*named, uid(9)}) == 3


def test_a_model_may_have_a_long_name(tmp_path: Path) -> None:
    sources = write_series(tmp_path / "scan", chest())
    path = write(tmp_path, sources, model=Identity("soup-of-" + "a" * 90, "cd" * 32))
    assert str(dcmread(path).ManufacturerModelName).startswith("soup-of-aaa")


def test_a_series_that_does_not_say_where_it_lies_has_none(tmp_path: Path) -> None:
    series = read_series(write_series(tmp_path / "scan", chest(), PixelSpacing=None))
    assert not is_possible(series.volume)
    files = by_hand(series.volume, tmp_path / "slices", marked()).files
    with pytest.raises(ValueError, match="no spacing, position or orientation"):
        write_seg(series.grid, files, tmp_path / "mask.dcm", threshold=0.5, model=IDENTITY)


def test_a_warning_comes_first_in_its_description(tmp_path: Path) -> None:
    series = read_series(write_series(tmp_path / "scan", chest()))
    files = by_hand(series.volume, tmp_path / "slices", marked()).files
    path = tmp_path / "mask.dcm"
    write_seg(series.grid, files, path, threshold=0.5, model=IDENTITY, warning=LABEL)
    assert dcmread(path).SeriesDescription == "does not look like a chest CT: lesions (research only)"
