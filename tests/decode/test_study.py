from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from model.decode.ct import CtSlice
from model.decode.kinds import DICOM, GZIP, NIFTI, PICTURE, UNKNOWN, ZIP, SourceFile, kind_of
from model.decode.nifti import NiftiGrid
from model.decode.repeated import DicomGrid
from model.decode.study import VolumeStudy, open_study
from model.errors import EmptyFile, InputError, MissingFile, NotAnImage, TooLarge
from model.phantom import phantom_png
from tests.phantoms import NATIVE as SYNTAXES
from tests.phantoms import (
    SHAPE,
    dicom_bytes,
    nifti_bytes,
    opened,
    phantom,
    series_bytes,
    slice_bytes,
    slice_dataset,
    values_of,
    zip_bytes,
)

PNG = phantom_png("one")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (slice_bytes(), DICOM),
        (dicom_bytes(slice_dataset(phantom()[0]), SYNTAXES["implicit"])[300:], UNKNOWN),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100", DICOM),
        (b"\x08\0\x05\0CS\x0a\0ISO_IR 100", DICOM),
        (b"\x08\0text that begins so", UNKNOWN),
        (nifti_bytes(), NIFTI),
        (gzip.compress(b"", mtime=0), GZIP),
        (zip_bytes({}), ZIP),
        (zip_bytes({"a": b"b"}), ZIP),
        (PNG, PICTURE),
        (b"", UNKNOWN),
        (b"Dear radiologist,", UNKNOWN),
    ],
)
def test_a_file_is_known_by_its_first_bytes(content: bytes, kind: str) -> None:
    assert kind_of(content[:352]) == kind


def test_a_picture_is_a_slice(tmp_path: Path) -> None:
    assert isinstance(opened(tmp_path, PNG), CtSlice)


def test_a_volume_knows_where_it_comes_from(tmp_path: Path) -> None:
    series = opened(tmp_path / "a", *series_bytes())
    assert isinstance(series, VolumeStudy)
    assert isinstance(series.origin, DicomGrid)
    assert [series.origin.header(number)["InstanceNumber"] for number in range(5)] == ["1", "2", "3", "4", "5"]
    assert series.origin.patient() == ""
    nifti = opened(tmp_path / "b", nifti_bytes())
    assert isinstance(nifti, VolumeStudy)
    assert isinstance(nifti.origin, NiftiGrid)
    assert (nifti.origin.shape, nifti.origin.sform.code, nifti.origin.qform.code) == (SHAPE[::-1], 1, 1)


def test_a_series_is_read_from_several_files(tmp_path: Path) -> None:
    study = opened(tmp_path, b"notes", *series_bytes(), PNG)
    assert isinstance(study, VolumeStudy)
    np.testing.assert_array_equal(values_of(study.volume), phantom())
    assert study.volume.notes == ("2 other files were left out: only the DICOM part was read.",)


def test_a_volume_or_a_picture_is_read_from_several_files(tmp_path: Path) -> None:
    nifti = opened(tmp_path / "a", gzip.compress(nifti_bytes()), PNG)
    assert isinstance(nifti, VolumeStudy)
    assert nifti.volume.notes == ("1 other file was left out: only the NIfTI part was read.",)
    picture = opened(tmp_path / "b", b"notes", PNG)
    assert isinstance(picture, CtSlice)
    assert picture.notes == ("1 other file was left out: only the picture part was read.",)


@pytest.mark.parametrize(
    ("contents", "error", "sentence"),
    [
        ([], MissingFile, "No file was sent"),
        ([b""], EmptyFile, "0 bytes"),
        ([b"", b""], NotAnImage, "None of the 2 files is a DICOM, NIfTI or picture file"),
        ([b"Dear radiologist,"], NotAnImage, "This file is not a picture that can be read. Upload one CT slice as PNG"),
        ([b"a", b"b", b"c"], NotAnImage, "None of the 3 files"),
        ([nifti_bytes(), gzip.compress(nifti_bytes())], NotAnImage, "2 volumes were sent"),
        ([PNG, PNG], NotAnImage, "2 pictures were sent"),
        ([b"\x1f\x8b"], InputError, "damaged or was cut short"),
        ([b"PK\x03\x04"], InputError, "damaged or was cut short"),
        ([bytes(128) + b"DICM"], InputError, "."),
        ([b"\x08\0\x05\0CS"], InputError, "."),
        ([bytes(344) + b"n+1\0"], InputError, "."),
    ],
)
def test_an_upload_that_holds_nothing_to_read_is_refused(
    contents: list[bytes], error: type[InputError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        opened(tmp_path, *contents)


def test_several_dicom_files_are_no_plain_picture(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="5 DICOM files were sent. Send one at a time"):
        opened(tmp_path, *series_bytes(), as_picture=True)


HOSTILE_NAMES = [
    "a\0b.png",
    "x" * 5000,
    "\u202egnp.exe",
    "../../etc/passwd",
    "",
    "\ud800",
    "-rf",
    "CON",
    "<img onerror>",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_matters_to_nothing(name: str, tmp_path: Path) -> None:
    assert isinstance(opened(tmp_path / "a", PNG, names=[name]), CtSlice)
    for number, content in enumerate([slice_bytes(), nifti_bytes(), zip_bytes({"a": slice_bytes()})]):
        assert isinstance(opened(tmp_path / str(number), content, names=[name]), VolumeStudy)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("a\0b.png", "ab.png"),
        ("x" * 5000 + ".dcm", "x" * 56 + ".dcm"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\r\nb", "ab"),
        ("\n", "a file without a name"),
    ],
)
def test_a_name_is_shown_by_its_end_and_its_harmless_letters(name: str, title: str) -> None:
    assert SourceFile(Path(), name).title == title


def test_a_picture_larger_than_any_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(64_000_001)
    with pytest.raises(TooLarge, match="a.png has more than 64 MB"):
        open_study([SourceFile(path, "a.png")], tmp_path / "unpacked")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_picture_is_refused(share: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged or was cut short"):
        opened(tmp_path, PNG[: int(len(PNG) * share)])
