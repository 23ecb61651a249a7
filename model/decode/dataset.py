"""A DICOM file -> a pydicom data set, at a cost that a hostile file cannot drive up."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from model.decode.kinds import SourceFile
from model.errors import DamagedImage, GroundglassError, TooLarge

MAX_SLICE_MB = 100
"""Largest file of a single slice, in millions of bytes: 2048×2048 pixels of 32 bit need 17."""

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "Modality", "ImageType", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "PatientID", "Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration",
    "PhotometricInterpretation", "NumberOfFrames", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth",
    "SpecificCharacterSet", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "AcquisitionNumber",
)  # fmt: skip

_TABLES = tuple(
    f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Data", "Descriptor")
)

_MAX_READS = 30_000
"""How often pydicom may read from a file: a million empty items take it minutes, a slice has a few hundred."""

_UNDEFINED = 0xFFFFFFFF

_KEPT_BYTES = 1024
"""Longer values of a header are none that matter here."""

_DAMAGED = "The DICOM file is damaged or was cut short. Send it again, or check that the upload was complete."


@dataclass(frozen=True)
class Opened:
    """What is read of a DICOM file.

    dataset : the elements that matter here; those that cannot be understood are left out.
    pixel_bytes : how long the pixels say they are, None where there are none.
    """

    dataset: Dataset
    pixel_bytes: int | None


def open_dataset(source: SourceFile, *, pixels: bool = False) -> Opened:
    """Read a file, with a preamble or without, deflated or not.

    Parameters
    ----------
    pixels : whether the pixels are read too.

    Raises
    ------
    DamagedImage : it is damaged or was cut short.
    TooLarge : it has more than MAX_SLICE_MB, or unpacks to more.
    """
    size = source.path.stat().st_size
    if size > MAX_SLICE_MB * 1_000_000:
        raise _too_large(f"{size / 1e6:.0f} MB")
    with sentences():
        dataset = _read(source, size)
        _refuse_cut_short(dataset)
        lengths = [len(dataset.get_item(name).value or b"") for name in PIXELS if name in dataset]
        _settle(dataset, large=(*PIXELS, *_TABLES) if pixels else ())
    return Opened(dataset, lengths[0] if lengths else None)


def _read(source: SourceFile, size: int) -> Dataset:
    with source.path.open("rb") as file:
        read_preamble(file, True)
        meta = _read_file_meta_info(file)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _inflate(file, meta)
        file.seek(0)
        limited = _Limited(file)
        dataset = dcmread(limited, force=True, specific_tags=[*_TAGS, *PIXELS, *_TABLES])
        # pydicom goes past the end of a file to skip what should be there.
        if limited.tell() > size:
            raise DamagedImage(_DAMAGED)
    _name_syntax(dataset)
    return dataset


def _inflate(file: BinaryIO, meta: FileMetaDataset) -> Dataset:
    """Unpack the rest of a file; pydicom would do so whatever comes out of it."""
    limit = MAX_SLICE_MB * 1_000_000
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(file.read(), limit)
    if len(content) >= limit:
        raise _too_large(f"more than {MAX_SLICE_MB} MB when it is unpacked")
    if not inflater.eof:
        raise DamagedImage(_DAMAGED)
    tags: list[BaseTag | int] = [Tag(name) for name in (*_TAGS, *PIXELS, *_TABLES)]
    dataset = read_dataset(_Limited(io.BytesIO(content)), False, True, specific_tags=tags)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    dataset.set_original_encoding(False, True)
    return dataset


def _name_syntax(dataset: Dataset) -> None:
    """Note how a file without a preamble is written, as pydicom found out; it decodes no pixels without."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _refuse_cut_short(dataset: Dataset) -> None:
    for tag in dataset.keys():
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement) and len(element.value or b"") < element.length < _UNDEFINED:
            raise DamagedImage(_DAMAGED)


def _settle(dataset: Dataset, *, large: Collection[str]) -> None:
    """Bring each element to its value now, and take out what has none: pydicom would raise anywhere later.

    large : the names of those that may be long.
    """
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        if keyword_for_tag(tag) in large:
            continue
        try:
            if len(raw.value or b"") > _KEPT_BYTES:
                del dataset[tag]
            else:
                _ = dataset[tag].value
        # What a damaged value raises is not to be foreseen.
        except Exception:
            del dataset[tag]


def syntax_of(dataset: Dataset) -> UID:
    """Return the transfer syntax: how the elements and pixels are written."""
    return UID(str(dataset.file_meta.TransferSyntaxUID))


def is_compressed(syntax: UID) -> bool:
    """Whether pixels of a transfer syntax are compressed; those that nobody knows are taken for it."""
    return syntax.is_encapsulated if syntax.is_transfer_syntax else True


def _too_large(size: str) -> TooLarge:
    return TooLarge(
        f"This DICOM file has {size}; a single slice has at most {MAX_SLICE_MB} MB. "
        "Export the series with one slice to a file."
    )


class _Limited(io.BufferedReader):
    """A file that may be read from only so often."""

    def __init__(self, file: BinaryIO) -> None:
        # It needs no more of a raw stream than any file or buffer has.
        super().__init__(cast(io.RawIOBase, file))
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise DamagedImage("The header of this DICOM file has far too many parts. Export the slice again.")
        return super().read(size)


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn what pydicom raises into our errors. Damaged headers bring it to raise nearly everything there is."""
    try:
        # Untidy values pass: files whose names were removed hold identifiers that are none.
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Else it leaves out the pixels that are cut short, and all that follows.
            warnings.filterwarnings("error", "End of file reached")
            yield
    except GroundglassError:
        raise
    except Exception as exc:
        logging.getLogger(__name__).info("a DICOM file cannot be read: %s", type(exc).__name__)
        raise DamagedImage(_DAMAGED) from exc
