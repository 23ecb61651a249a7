"""A file -> what it is, and for a DICOM file which series it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from pydicom import Dataset, dcmread

from model.batch.place import Entry, Place, reason
from model.decode.kinds import DICOM, HEAD_BYTES, kind_of
from model.inputs import PICTURE_SUFFIXES, VOLUME_SUFFIXES

PICTURE, VOLUME, SERIES, FILE, FOLDER, OTHER = "picture", "volume", "series", "file", "folder", "other"
"""What is found: what is read, then a file and a folder that cannot be, then what is none of a scan's."""

_TAGS = ("SOPClassUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "Rows")

_NO_IMAGES = ("SR", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "PR", "KO", "SEG", "REG", "DOC", "FID", "PLAN", "AU")
"""Modalities of what is made of images, by DICOM PS3.3 C.7.3.1.1.1."""

_NO_SCAN_CLASSES = ("1.2.840.10008.1.3.10",)
"""The directory of a medium."""

_LEAST_LETTERS, _LEAST_DIFFERENT = 8, 4
"""Of an identifier that was given, though not by the rules: shorter ones, and rows of zeros, are what was blanked."""


@dataclass(frozen=True)
class Header:
    """What a file is, and what it belongs together with.

    key : alike for the files of one study. problem : why it cannot be read; empty where that is not known yet.
    """

    kind: str
    key: str
    problem: str = ""


def read_header(place: Place, entry: Entry) -> Header:
    """Look at a file: at its name, and where that does not tell what it is, at its beginning."""
    path = entry.path
    if entry.problem:
        return Header(FOLDER if "folder cannot" in entry.problem else FILE, path, entry.problem)
    name = PurePosixPath(path).name.lower()
    if name.endswith(PICTURE_SUFFIXES):
        return Header(PICTURE, path)
    if name.endswith(VOLUME_SUFFIXES):
        return Header(VOLUME, path)
    try:
        return _by_content(place, path, is_named_dicom=name.endswith((".dcm", ".dicom", ".ima")))
    except OSError as exc:
        return Header(FILE, path, f"The file cannot be read: {reason(exc)}.")


def _by_content(place: Place, path: str, *, is_named_dicom: bool) -> Header:
    with place.open(path) as file:
        if kind_of(file.read(HEAD_BYTES)) != DICOM:
            # One that claims to be DICOM is read for the sentence that tells what it is instead.
            return Header(SERIES if is_named_dicom else OTHER, path)
        file.seek(0)
        try:
            dataset = dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
            return _series(dataset, path)
        except OSError:
            raise
        # What a damaged file raises is not to be foreseen; reading it will tell.
        except Exception:
            return Header(SERIES, path)


def _series(dataset: Dataset, path: str) -> Header:
    scan, modality, study, series = (_text(dataset, name) for name in _TAGS[:4])
    if modality in _NO_IMAGES or scan in _NO_SCAN_CLASSES:
        return Header(OTHER, path)
    if len(series) >= _LEAST_LETTERS and len(set(series)) >= _LEAST_DIFFERENT:
        return Header(SERIES, f"{study}/{series}")
    if "Rows" not in dataset:
        # Cut short, or no picture at all: nothing that goes with others.
        return Header(SERIES, path)
    # Without a name of its own a series is what lies in one folder.
    return Header(SERIES, f"{PurePosixPath(path).parent}/ {study} {series}")


def _text(dataset: Dataset, name: str) -> str:
    # As it is stored: what is no proper identifier is one too few, not an error.
    value = dataset.get_item(name).value if name in dataset else None
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")
