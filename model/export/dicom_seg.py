"""The lesion mask of a DICOM series -> DICOM SEG, on the very slices it came from."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.uid import RE_VALID_UID, UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DA, TM

from model.card import Identity
from model.decode.ct import CtVolume
from model.decode.repeated import COMMON, OF_SLICE, PATIENT_AND_STUDY, DicomGrid, Elements
from model.volume.files import SliceFiles

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

LABEL = "COVID-19 lesion"
_SERIES_NUMBER = 9001
_LONGEST_NAME = 64
_DATES_AND_TIMES: dict[str, Callable[[str], object]] = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}
_PLACE = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")
_WHOLE = ("Rows", "Columns")
_SEXES = ("", "M", "F", "O")


def is_possible(volume: CtVolume) -> bool:
    """Whether a series says what a SEG must repeat: spacing, position and orientation of its slices."""
    return volume.affine is not None


def is_linked(series: DicomGrid) -> bool:
    """Whether study, series and slices have valid identifiers, by which viewers find what a SEG belongs to.

    Slices that share one are not found by it.
    """
    # pydicom's own class would write what is invalid into the log.
    is_valid = all(re.fullmatch(RE_VALID_UID, text) for texts in series.identifiers for text in texts)
    return is_valid and not _shared(series)


def _shared(series: DicomGrid) -> set[str]:
    """Return the identifiers that several slices have."""
    counts = Counter(own for _, _, own in series.identifiers)
    return {identifier for identifier, count in counts.items() if count > 1}


def write_seg(
    series: DicomGrid, files: SliceFiles, path: Path, *, threshold: float, model: Identity, warning: str = ""
) -> None:
    """Write the mask as a binary DICOM SEG with one segment.

    It holds a frame for each slice with lesion, or for all where there is none, and names the patient and the study as
    the series does: viewers show it over that series. Identifiers that are missing, invalid or shared in the series are
    made up from what it has, alike each time; of dates and sexes that are none, nothing is said. `warning` is what its
    description begins with, 30 letters at the most.

    Raises
    ------
    ValueError : a slice does not say where it lies, see `is_possible`.
    """
    every = range(len(series.identifiers))
    marked = [number for number in every if files.lesion(number, threshold).any()] or list(every)
    pixels = np.zeros((len(marked), *series.shape), np.uint8)
    for frame, number in zip(pixels, marked, strict=True):
        frame[:] = series.turn.undo(files.lesion(number, threshold))
    with disable_value_validation(), warnings.catch_warnings():
        # highdicom warns where a mask is empty, which is an answer here, and of the untidy values of the series.
        warnings.simplefilter("ignore")
        shared = _shared(series)
        sources = [_source(series.header(number), shared) for number in marked]
        for source, name in product(sources, COMMON):
            # One mask belongs to one study; files whose names were removed may each have another.
            setattr(source, name, sources[0][name].value)
        _segmentation(sources, pixels, model, warning).save_as(path)


def _segmentation(sources: Sequence[Dataset], pixels: NDArray[np.uint8], model: Identity, warning: str) -> Dataset:
    # Here, since it takes an eighth of a second, for DICOM series alone.
    from highdicom.seg import Segmentation, SegmentationTypeValues

    described = f"{warning}: lesions (research only)" if warning else "Groundglass lesions (research only)"
    return Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(model)],
        series_instance_uid=generate_uid(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Groundglass",
        manufacturer_model_name=model.model_id[:_LONGEST_NAME],
        software_versions=model.model_id[:_LONGEST_NAME],
        device_serial_number=model.sha256[:16],
        content_label="LESION",
        content_description="For research only, no medical device",
        series_description=described,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
        omit_empty_frames=bool(pixels.any()),
    )


def _segment(model: Identity) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from pydicom.sr.codedict import codes

    return SegmentDescription(
        segment_number=1,
        segment_label=LABEL,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name="Groundglass", family=codes.DCM.ArtificialIntelligence, version=model.model_id[:_LONGEST_NAME]
        ),
    )


def _source(elements: Elements, shared: Collection[str]) -> Dataset:
    """Return a header with all that a SEG must repeat of a slice's, and nothing of it that a SEG must not."""
    if not all(elements.get(name) for name in _PLACE):
        raise ValueError("a slice has no spacing, position or orientation")
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    for name in set(OF_SLICE) & set(elements):
        setattr(header, name, int(elements[name]) if name in _WHOLE else elements[name])
    for name in PATIENT_AND_STUDY:
        text = elements.get(name, "")
        setattr(header, name, text if _is_allowed(name, text) else "")
    if elements.get("SOPInstanceUID", "").strip() in shared:
        header.SOPInstanceUID = ""
    for name in COMMON:
        setattr(header, name, elements.get(name, ""))
    for name in (*COMMON, "SOPInstanceUID"):
        setattr(header, name, _identifier(header, name))
    header.SOPClassUID = elements.get("SOPClassUID") or CTImageStorage
    return header


def _is_allowed(name: str, text: str) -> bool:
    """Whether a date is a date, and a sex one of those that there are."""
    try:
        _DATES_AND_TIMES.get(name, str)(text)
    except ValueError:
        return False
    return name != "PatientSex" or text in _SEXES


def _identifier(header: Dataset, name: str) -> UID:
    """Return an identifier as the header has it; a made-up one, alike each time, where it has none that is valid."""
    found = UID(str(header.get(name) or ""))
    if found and found.is_valid:
        return found
    seed = [str(header.get("StudyInstanceUID") or ""), str(header.get("SeriesInstanceUID") or ""), name]
    if name == "SOPInstanceUID":
        seed += [str(header.get("InstanceNumber") or ""), str(header.get("ImagePositionPatient") or "")]
    if name == "StudyInstanceUID":
        seed = seed[:1] + [name]
    return generate_uid(entropy_srcs=seed)
