"""One DICOM file -> what its header says, and its pixels in Hounsfield units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import MediaStorageDirectoryStorage

from model.decode.apart import Decoder
from model.decode.ct import CtSlice
from model.decode.dataset import Opened, is_compressed, open_dataset, sentences, syntax_of
from model.decode.kinds import SourceFile, shown
from model.decode.picture import check_size
from model.decode.pixels import refuse_unreadable, stored_pixels
from model.errors import DamagedImage, NotCt
from model.preprocess import WINDOW_HU

Vector = NDArray[np.float64]
FloatArray = NDArray[np.float32]

AIR_AT_MOST_HU = -500.0
"""A chest CT holds air, about -1000 HU: where nothing is below this, the values are no Hounsfield units."""

HU_AT_MOST = 100_000.0
"""Where a value is further from 0, the rescaling is wrong: metal has some 10,000 HU."""

BRIGHT_FROM_HU = 500.0
"""Neither the rim nor half of a slice is bone or metal: where they are brighter, the values count down."""

PIXEL_MM = (0.01, 20.0)
"""Smallest and largest distance of pixels that is believed."""

FAR_MM = 100_000.0
"""Where a slice lies further away, its position is not believed."""


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file's header, as far as it matters here. What is missing or no number is None."""

    source: SourceFile
    header: Dataset

    def text(self, name: str) -> str:
        """Return an element as text, empty where it is missing."""
        return str(self.header.get(name) or "").strip()

    @property
    def patient_id(self) -> str:
        """By what one patient is told from another; empty where the header does not say. Not to be shown."""
        return self.text("PatientID")

    def numbers(self, name: str, count: int) -> Vector | None:
        """Return the `count` numbers of an element, or None where it does not hold as many finite ones."""
        value: Any = self.header.get(name)
        try:
            vector = np.array([float(part) for part in ([value] if count == 1 else value)], np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
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
        vector = self.numbers("ImagePositionPatient", 3)
        return vector if vector is not None and np.abs(vector).max() < FAR_MM else None

    @cached_property
    def orientation(self) -> Vector | None:
        """Unit vectors along a row and along a column, (6,); None where they are missing or no unit vectors."""
        vector = self.numbers("ImageOrientationPatient", 6)
        if vector is None or np.abs(vector).max() > 1.01:
            return None
        lengths = np.linalg.norm(vector.reshape(2, 3), axis=1)
        upright = abs(float(vector[:3] @ vector[3:])) < 0.01
        return vector / np.repeat(lengths, 3) if upright and np.allclose(lengths, 1.0, atol=0.01) else None

    @cached_property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Height and width of a pixel; None where unknown."""
        vector = self.numbers("PixelSpacing", 2)
        if vector is None or vector.min() < PIXEL_MM[0] or vector.max() > PIXEL_MM[1]:
            return None
        return float(vector[0]), float(vector[1])

    @cached_property
    def rescaling(self) -> tuple[float, float] | None:
        """Slope and intercept that give Hounsfield units; None where the header has none, or none that can."""
        slope, intercept = self.number("RescaleSlope"), self.number("RescaleIntercept")
        if not slope or intercept is None:
            return None
        # Without negative values, and without an intercept that makes them, there is no air.
        counts_from_zero = slope > 0.0 and self.number("PixelRepresentation") == 0
        return None if counts_from_zero and intercept > AIR_AT_MOST_HU else (slope, intercept)


def read_header(source: SourceFile) -> DicomFile:
    """Read a file's header, and hold it against what a CT slice must have.

    Raises
    ------
    NotCt : it is a directory, another modality, a localizer, has no pixels, several frames, colours, or is compressed
        in a way that cannot be read.
    DamagedImage : it is damaged or was cut short. TooLarge, TooSmall : it has too many pixels, or too few.
    """
    opened = open_dataset(source)
    file = DicomFile(source, opened.dataset)
    with sentences():
        _refuse_other_objects(file, opened)
        _refuse_other_pixels(file)
        check_size(file.shape[1], file.shape[0])
        refuse_unreadable(file.header)
        _refuse_too_few_bytes(file, opened.pixel_bytes or 0)
    return file


def _refuse_other_objects(file: DicomFile, opened: Opened) -> None:
    """Raise NotCt with the reason why a file is no CT image."""
    storage = file.header.file_meta.get("MediaStorageSOPClassUID")
    if MediaStorageDirectoryStorage in (storage, file.text("SOPClassUID")):
        raise NotCt("This file is a DICOM directory, not a scan. Upload the image files that it lists.")
    modality = shown(file.text("Modality"), 16)
    if modality and modality != "CT":
        raise NotCt(f"This DICOM file is no CT: its modality is {modality}. Upload the CT series of the study.")
    if not opened.pixel_bytes:
        raise NotCt(
            "This DICOM file has no pixels: it is a report or another document, or it was cut short. Upload the images."
        )
    if "LOCALIZER" in file.text("ImageType").upper():
        raise NotCt("This DICOM file is a localizer (the overview that scans are planned on). Upload the axial series.")
    if not modality:
        raise NotCt("This DICOM file does not state its modality, so nothing says that it is a CT. Export it again.")


def _refuse_other_pixels(file: DicomFile) -> None:
    """Raise NotCt where the pixels are not those of one gray slice."""
    if (file.number("SamplesPerPixel") or 1) != 1 or file.text("PhotometricInterpretation") == "PALETTE COLOR":
        raise NotCt(
            "This DICOM file is a picture in colours (a secondary capture), not CT data. Upload the series itself, or "
            "ask for it to be read as a plain picture."
        )
    if (file.number("NumberOfFrames") or 1) != 1:
        raise NotCt("This DICOM file holds several frames. Export the series with one slice to a file.")


def _refuse_too_few_bytes(file: DicomFile, pixel_bytes: int) -> None:
    """Raise DamagedImage where uncompressed pixels are fewer than the header says."""
    height, width = file.shape
    bits = file.number("BitsAllocated") or 8
    if not is_compressed(syntax_of(file.header)) and pixel_bytes * 8 < height * width * bits:
        raise DamagedImage(
            f"The header of this DICOM file says {width} × {height} pixels, but there are fewer: it is damaged or was "
            "cut short. Export the slice again."
        )


def read_pixels(file: DicomFile, decoder: Decoder) -> CtSlice:
    """Read the slice as it is stored: not turned yet, see `model.decode.series`.

    Returns
    -------
    (H, W) float32 in Hounsfield units; gray values in the file's own window where it does not tell how to rescale.

    Raises
    ------
    DamagedImage : the pixels are damaged, or do not fit the header.
    """
    stored = stored_pixels(file.source, syntax_of(file.header), decoder)
    if stored.shape != file.shape:
        raise DamagedImage(
            f"The header of {file.source.title} says {file.shape[1]} × {file.shape[0]} pixels, but there are "
            f"{' × '.join(map(str, stored.shape[::-1]))}. Export the slice again."
        )
    notes = []
    if file.text("PhotometricInterpretation") == "MONOCHROME1" and _counts_down(file, stored):
        stored = _turned_round(file, stored)
        notes.append("The pixels count down from white (MONOCHROME1); they were turned round.")
    if file.rescaling is not None:
        return CtSlice(_rescaled(file, stored), WINDOW_HU, file.spacing_mm, tuple(notes))
    if stored.min() <= AIR_AT_MOST_HU:
        notes.append("The header does not tell how to rescale; values below -500 show that these are Hounsfield units.")
        return CtSlice(stored, WINDOW_HU, file.spacing_mm, tuple(notes))
    notes.append("The header does not tell how to get Hounsfield units; the slice was read as a picture.")
    return CtSlice(stored, _own_window(file, stored), file.spacing_mm, tuple(notes))


def _rescaled(file: DicomFile, stored: FloatArray) -> FloatArray:
    """Return Hounsfield units.

    Raises
    ------
    DamagedImage : the values that the header gives are none.
    """
    slope, intercept = file.rescaling or (1.0, 0.0)
    values = stored.astype(np.float64) * slope + intercept
    if np.abs(values).max() > HU_AT_MOST:
        raise DamagedImage(
            f"By its header (slope {slope:g}, intercept {intercept:g}) the values of {file.source.title} go from "
            f"{values.min():g} to {values.max():g}: no Hounsfield units. Export the slice again."
        )
    return values.astype(np.float32)


def _counts_down(file: DicomFile, stored: FloatArray) -> bool:
    """Whether low values are bright: the air about the patient, on the rim of the slice, has high ones then.

    Hounsfield units do not count down, however they are to be displayed; but not all that is so marked holds them.
    """
    rim = float(np.median(np.concatenate([stored[0], stored[-1], stored[:, 0], stored[:, -1]])))
    if file.rescaling is None:
        return rim > (float(stored.min()) + float(stored.max())) / 2.0
    slope, intercept = file.rescaling
    return max(rim, float(np.median(stored))) * slope + intercept > BRIGHT_FROM_HU


def _turned_round(file: DicomFile, stored: FloatArray) -> FloatArray:
    """Return the values turned round within the bits that are stored."""
    bits = min(max(file.number("BitsStored") or 16, 1), 32)
    whole = np.float32(-1.0 if file.number("PixelRepresentation") == 1 else 2.0**bits - 1.0)
    return whole - stored


def _own_window(file: DicomFile, stored: FloatArray) -> tuple[float, float]:
    """Return the values that the file shows as black and white, or all there are."""
    low, high = float(stored.min()), float(stored.max())
    centre, width = _first(file.header.get("WindowCenter")), _first(file.header.get("WindowWidth"))
    # A window in which the values do not lie is another's.
    if centre is not None and width is not None and 1.0 < width < HU_AT_MOST and low <= centre <= high:
        return centre - width / 2.0, centre + width / 2.0
    return low, high if high > low else low + max(1.0, abs(low))


def _first(value: Any) -> float | None:
    """Return the number, or the first of several."""
    try:
        number = float(value[0] if isinstance(value, MultiValue) else value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return number if np.isfinite(number) else None
