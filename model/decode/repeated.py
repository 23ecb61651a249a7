"""What files that belong to a DICOM series repeat of its headers: as text, so that it can be passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue

from model.decode.ct import Turn
from model.decode.dataset import sentences
from model.decode.dicom import DicomFile

PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip

COMMON = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
"""Identifiers that all slices of a series share."""

OF_SLICE = (
    "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Modality", "Rows", "Columns", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
)  # fmt: skip

REPEATED = (*PATIENT_AND_STUDY, *COMMON, *OF_SLICE)

LONGEST = 1_024
"""Longer texts are none that matter here."""

Elements = Mapping[str, str]
"""Elements of a header by name, of REPEATED alone: values as text, several of them with a backslash between."""


@dataclass(frozen=True)
class DicomGrid:
    """How a DICOM series stores its slices, so that a mask can be written the same way.

    shape : height and width as stored.
    turn : how each slice is turned to be displayed.
    identifiers : of each slice, from the feet to the head: study, series, slice; empty where there is none.
    header : slice number, counted from 0 -> what is repeated of its header.
    patient : the patient's name, where it is asked for.
    """

    shape: tuple[int, int]
    turn: Turn
    identifiers: tuple[tuple[str, str, str], ...]
    header: Callable[[int], Elements]
    patient: Callable[[], str]


def identifiers(file: DicomFile) -> tuple[str, str, str]:
    """Return the identifiers of a slice's study, its series and its own; those that are far too long cut."""
    study, series, own = (
        file.text(name)[:LONGEST] for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    return study, series, own


def read_elements(file: DicomFile) -> Elements:
    """Read what is repeated of a slice's header; what cannot be understood is left out."""
    with sentences():
        # What else a header holds may take long to understand, or not be understood at all.
        header = dcmread(file.source.path, specific_tags=[*REPEATED, "SpecificCharacterSet"], force=True)
        header.decode()
        texts = {name: _text(header, name) for name in REPEATED if name in header}
    return {name: text for name, text in texts.items() if text is not None}


def _text(header: Dataset, name: str) -> str | None:
    try:
        value = header.get(name)
        text = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str("" if value is None else value)
    # What a damaged value raises is not to be foreseen.
    except Exception:
        return None
    return text if len(text) <= LONGEST else None
