"""One DICOM file -> what its header says, and its pixels in Hounsfield units."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, MediaStorageDirectoryStorage

from model.decode.ct import CtSlice
from model.decode.kinds import SourceFile
from model.decode.picture import check_size
from model.errors import DamagedImage, GroundglassError, NotCt
from model.preprocess import WINDOW_HU

Vector = NDArray[np.float64]
FloatArray = NDArray[np.float32]

AIR_AT_MOST_HU = -500.0
"""A chest CT holds air, about -1000 HU: where nothing is below this, the values are no Hounsfield units."""

_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "Modality", "ImageType", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames",
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "PixelData", "FloatPixelData",
    "DoubleFloatPixelData", "SpecificCharacterSet", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
]  # fmt: skip


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file's header, as far as it matters here. What is missing or no number is None."""

    source: SourceFile
    header: Dataset

    def text(self, name: str) -> str:
        """Return an element as text, empty where it is missing."""
        with _lenient():
            return str(self.header.get(name) or "").strip()

    def numbers(self, name: str, count: int) -> Vector | None:
        """Return the `count` numbers of an element, or None where it does not hold as many finite ones."""
        with _lenient():
            value: Any = self.header.get(name)
            try:
                parts = [float(part) for part in ([value] if count == 1 else value)]
            except (TypeError, ValueError, OverflowError):
                return None
        vector = np.array(parts, np.float64)
        return vector if vector.shape == (count,) and np.isfinite(vector).all() else None

    def number(self, name: str) -> float | None:
        """Return the one number of an element, or None."""
        vector = self.numbers(name, 1)
        return None if vector is None else float(vector[0])

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels, 0 where the header does not say."""
        return int(self.number("Rows") or 0), int(self.number("Columns") or 0)

    @cached_property
    def position(self) -> Vector | None:
        """Where the centre of the first pixel lies, (3,) mm to the patient's left, back and head."""
        return self.numbers("ImagePositionPatient", 3)

    @cached_property
    def orientation(self) -> Vector | None:
        """Unit vectors along a row and along a column, (6,); None where they are missing or no unit vectors."""
        vector = self.numbers("ImageOrientationPatient", 6)
        if vector is None:
            return None
        lengths = np.linalg.norm(vector.reshape(2, 3), axis=1)
        upright = abs(float(vector[:3] @ vector[3:])) < 0.01
        return vector if upright and np.allclose(lengths, 1.0, atol=0.01) else None

    @cached_property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Height and width of a pixel; None where unknown."""
        vector = self.numbers("PixelSpacing", 2)
        return (float(vector[0]), float(vector[1])) if vector is not None and (vector > 0.0).all() else None


def read_header(source: SourceFile) -> DicomFile:
    """Read a file's header, and hold it against what a CT slice must have.

    Raises
    ------
    NotCt : it is a directory, another modality, a localizer, has no pixels, several frames, or colours.
    DamagedImage : it is damaged or was cut short.
    """
    with sentences():
        header = dcmread(source.path, specific_tags=list(_TAGS), defer_size=1024, force=True)
    file = DicomFile(source, header)
    with sentences():
        _refuse_other_objects(file)
        check_size(file.shape[1], file.shape[0])
    return file


def _refuse_other_objects(file: DicomFile) -> None:
    """Raise NotCt with the reason why a file is no CT slice."""
    header = file.header
    storage = str(getattr(header, "file_meta", {}).get("MediaStorageSOPClassUID", "") or "")
    if storage == MediaStorageDirectoryStorage:
        raise NotCt("This file is a DICOM directory, not a scan. Upload the image files that it lists.")
    modality = file.text("Modality")
    if modality and modality != "CT":
        raise NotCt(f"This DICOM file is no CT: its modality is {modality[:16]}. Upload the CT series of the study.")
    if not any(name in header for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise NotCt("This DICOM file has no pixels: it is a report or another document. Upload the images.")
    if "LOCALIZER" in file.text("ImageType").upper():
        raise NotCt("This DICOM file is a localizer (the overview that scans are planned on). Upload the axial series.")
    if (file.number("SamplesPerPixel") or 1) != 1:
        raise NotCt(
            "This DICOM file is a picture in colours (a secondary capture), not CT data. Upload the series itself, or "
            "ask for it to be read as a plain picture."
        )
    if not modality:
        raise NotCt("This DICOM file does not state its modality, so nothing says that it is a CT. Export it again.")
    if (file.number("NumberOfFrames") or 1) != 1:
        raise NotCt("This DICOM file holds several frames. Export the series with one slice to a file.")


def read_pixels(file: DicomFile) -> CtSlice:
    """Read the slice as it is stored: not turned yet, see `model.decode.series`.

    Returns
    -------
    (H, W) float32 in Hounsfield units; gray values in the file's own window where it does not tell how to rescale.

    Raises
    ------
    DamagedImage : the pixels are damaged, do not fit the header, or are compressed in a way that cannot be read.
    """
    stored = _stored_pixels(file)
    slope, intercept = file.number("RescaleSlope"), file.number("RescaleIntercept")
    inverted = file.text("PhotometricInterpretation") == "MONOCHROME1" and _is_bright_outside(stored)
    notes = []
    if inverted:
        stored = _counted_down(file, stored)
        notes.append("The pixels count down from white (MONOCHROME1); they were turned round.")
    if slope and intercept is not None:
        return CtSlice(stored * np.float32(slope) + np.float32(intercept), WINDOW_HU, file.spacing_mm, tuple(notes))
    if stored.min() <= AIR_AT_MOST_HU:
        notes.append("The header does not tell how to rescale; values below -500 show that these are Hounsfield units.")
        return CtSlice(stored, WINDOW_HU, file.spacing_mm, tuple(notes))
    notes.append("The header does not tell how to get Hounsfield units; the slice was read as a picture.")
    return CtSlice(stored, _own_window(file, stored), file.spacing_mm, tuple(notes))


def _stored_pixels(file: DicomFile) -> FloatArray:
    with sentences():
        dataset = dcmread(file.source.path, force=True)
        syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
        if syntax is not None and UID(syntax).is_encapsulated and not get_decoder(UID(syntax)).is_available:
            raise DamagedImage(
                f"The pixels are compressed as {UID(syntax).name}, which cannot be read. Export them so "
                "that they are not compressed."
            )
        pixels = np.asarray(dataset.pixel_array, np.float32)
    if pixels.shape != file.shape:
        raise DamagedImage(f"The header says {file.shape}, the pixels are {pixels.shape}. Export the slice again.")
    return pixels


def _is_bright_outside(stored: FloatArray) -> bool:
    """Whether the rim of a slice, where the air about the patient is, is brighter than its middle range of values."""
    rim = np.concatenate([stored[0], stored[-1], stored[:, 0], stored[:, -1]])
    return bool(np.median(rim) > (stored.min() + stored.max()) / 2.0)


def _counted_down(file: DicomFile, stored: FloatArray) -> FloatArray:
    """Return the values turned round within the bits that are stored."""
    bits = int(file.number("BitsStored") or 16)
    whole = np.float32(-1.0 if file.number("PixelRepresentation") == 1 else 2.0**bits - 1.0)
    return whole - stored


def _own_window(file: DicomFile, stored: FloatArray) -> tuple[float, float]:
    """Return the values that the file shows as black and white, or all there are."""
    centre, width = (_first(file.header.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is not None and width is not None and width > 1.0:
        return centre - width / 2.0, centre + width / 2.0
    low, high = float(stored.min()), float(stored.max())
    return low, max(high, low + 1.0)


def _first(value: Any) -> float | None:
    """Return the number, or the first of several."""
    try:
        number = float(value[0] if isinstance(value, Sequence) and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if np.isfinite(number) else None


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """Let untidy values pass: files whose names were removed hold identifiers that are none."""
    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn what pydicom raises into our errors. Damaged headers bring it to raise nearly everything there is."""
    try:
        with _lenient():
            yield
    except GroundglassError:
        raise
    except Exception as exc:
        logging.getLogger(__name__).info("a DICOM file cannot be read: %s", type(exc).__name__)
        raise DamagedImage(
            "The DICOM file is damaged or was cut short. Send it again, or check that the upload was complete."
        ) from exc
