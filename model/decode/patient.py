"""The patient's name of a DICOM series: read only where it is asked for, kept nowhere."""

from __future__ import annotations

from pydicom import dcmread

from model.decode.dataset import sentences
from model.decode.dicom import DicomFile

_LONGEST = 64


def patient_name(file: DicomFile) -> str:
    """Return the name as a line of text, family name first; empty where the file has none."""
    with sentences():
        header = dcmread(file.source.path, specific_tags=["PatientName", "SpecificCharacterSet"], force=True)
        name = str(header.get("PatientName") or "").replace("^", " ")
    return "".join(letter for letter in name if letter.isprintable()).strip()[:_LONGEST]
