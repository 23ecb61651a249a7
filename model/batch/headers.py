"""A file -> what it is, and for a DICOM file which series it belongs to."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from model.batch.place import Entry, Place, reason
from model.decode.kinds import DICOM, HEAD_BYTES, kind_of
from model.inputs import PICTURE_SUFFIXES, VOLUME_SUFFIXES

PICTURE, VOLUME, SERIES, DICOM_FILE, FILE, FOLDER, OTHER = (
    "picture",
    "volume",
    "series",
    "dicom",
    "file",
    "folder",
    "other",
)
"""What is found: what is read, a DICOM file that tells no series among it; a file and a folder that cannot be; what is
none of a scan's."""

_TAGS = ("SOPClassUID", "Modality", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Rows")

_NO_IMAGES = ("SR", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "PR", "KO", "SEG", "REG", "DOC", "FID", "PLAN", "AU")
"""Modalities of what is made of images, by DICOM PS3.3 C.7.3.1.1.1."""

_NO_SCAN_CLASSES = ("1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.66")
"""The directory of a medium; raw data."""

_LEAST_LETTERS, _LEAST_DIFFERENT = 8, 4
"""Of an identifier that was given, though not by the rules: shorter ones, and rows of zeros, are what was blanked."""

_PIXELS = Tag(0x7FE00000)

DEFLATED_BYTES = 1_000_000


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
        return Header(FOLDER if entry.is_folder else FILE, path, entry.problem)
    name = PurePosixPath(path).name.lower()
    if name.startswith("._") or "__MACOSX" in PurePosixPath(path).parts:
        # What macOS keeps beside a file where it cannot keep it in it.
        return Header(OTHER, path)
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
            return Header(DICOM_FILE if is_named_dicom else OTHER, path)
        try:
            return _series(_read_head(file), path)
        except OSError:
            raise
        # What a damaged file raises is not to be foreseen; reading it will tell.
        except Exception:
            return Header(DICOM_FILE, path)


def _read_head(file: BinaryIO) -> Dataset:
    """Read what tells the series of a file; of one that is deflated no more than the beginning is unpacked."""
    file.seek(0)
    read_preamble(file, True)
    meta = _read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(DEFLATED_BYTES), DEFLATED_BYTES)
        return read_dataset(io.BytesIO(head), False, True, stop_when=_is_pixels, specific_tags=list(map(Tag, _TAGS)))
    file.seek(0)
    return dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))


def _is_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return bool(tag >= _PIXELS)


def _series(dataset: Dataset, path: str) -> Header:
    scan, modality, patient, study, series = (_text(dataset, name) for name in _TAGS[:5])
    if modality in _NO_IMAGES or scan in _NO_SCAN_CLASSES:
        return Header(OTHER, path)
    is_named = len(series) >= _LEAST_LETTERS and len(set(series)) >= _LEAST_DIFFERENT
    if "Rows" not in dataset and not is_named:
        return Header(DICOM_FILE, path)
    # Without a name of its own a series is what lies in one folder.
    where = "" if is_named else str(PurePosixPath(path).parent)
    # As a hash: whoever sees the index need not see who the patients are.
    told = json.dumps([where, patient, study, series])
    # Without rows it was cut short, or is no picture.
    return Header(SERIES if "Rows" in dataset else DICOM_FILE, hashlib.sha256(told.encode()).hexdigest())


def _text(dataset: Dataset, name: str) -> str:
    # As it is stored: what is no proper identifier is one too few, not an error.
    value = dataset.get_item(name).value if name in dataset else None
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")
