"""A small scan that is different in every direction, and the DICOM and NIfTI files that hold it."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from model.decode.ct import CtSlice, CtVolume
from model.decode.kinds import SourceFile
from model.decode.study import Study, VolumeStudy, open_study

SLICES, HEIGHT, WIDTH = SHAPE = (5, 40, 36)

PIXEL_SPACING = (0.8, 0.7)
"""Between rows, and between columns."""

STEP_MM = 5.0

AFFINE = np.array([[0.7, 0.0, 0.0, -10.0], [0.0, 0.8, 0.0, -20.0], [0.0, 0.0, 5.0, 100.0], [0.0, 0.0, 0.0, 1.0]])
"""(column, row, slice) as displayed -> mm to the patient's left, back and head."""

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

INTERCEPT = -1024

Elements = Mapping[str, Any]


def phantom() -> NDArray[np.int16]:
    """(5 slices, 40 rows, 36 columns) in HU, -1000 to 1395, as displayed; no two pixels of a slice are the same."""
    slices, rows, columns = np.indices(SHAPE)
    return np.asarray(-1000 + 200 * slices + 40 * rows + columns, np.int16)


def position_of(number: float) -> list[float]:
    """Where the first pixel of a slice lies, counted from the feet."""
    return [-10.0, -20.0, 100.0 + STEP_MM * number]


def slice_dataset(hounsfield: NDArray[Any], number: float = 0, /, **elements: Any) -> Dataset:
    """A slice as scanners write it; `elements` replace its values, None takes one out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "CT", "1.2.3", "1.2.3.4"
    dataset.SeriesNumber, dataset.SeriesDescription, dataset.InstanceNumber = 2, "Lung 5.0", int(number) + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = hounsfield.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, INTERCEPT
    dataset.PixelSpacing, dataset.ImageOrientationPatient = list(PIXEL_SPACING), list(UPRIGHT)
    dataset.ImagePositionPatient, dataset.SliceThickness = position_of(number), STEP_MM
    dataset.PixelData = (hounsfield.astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return changed(dataset, elements)


def changed(dataset: Dataset, elements: Elements) -> Dataset:
    """Replace elements; None takes one out."""
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def dicom_bytes(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """Return the file of a data set, in an uncompressed transfer syntax."""
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def slice_bytes(number: int = 0, /, **elements: Any) -> bytes:
    """Return the file of one slice of the phantom."""
    return dicom_bytes(slice_dataset(phantom()[number], number, **elements))


def series_bytes(numbers: Iterable[int] = range(SLICES), /, **elements: Any) -> list[bytes]:
    """Return the files of slices of the phantom."""
    return [slice_bytes(number, **elements) for number in numbers]


NATIVE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}

COMPRESSED = {
    "RLE": ("RLELossless", RLELossless),
    "JPEG-LS": ("JPEGLSLossless", JPEGLSLossless),
    "JPEG 2000": ("JPEG2000Lossless", JPEG2000Lossless),
    "JPEG Lossless": ("JPEGLosslessProcess14_1", JPEGLosslessSV1),
}
"""Names of transfer syntaxes -> GDCM's name and the identifier. All of them keep each value."""


def compress(content: bytes, name: str) -> bytes:
    """Return a DICOM file with its pixels compressed; `name` is GDCM's for the transfer syntax."""
    import gdcm  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "plain", Path(folder) / "packed"
        plain.write_bytes(content)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(packed))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return packed.read_bytes()


def nifti_bytes(
    voxels: NDArray[Any] | None = None,
    affine: NDArray[Any] | None = None,
    *,
    kind: Any = nibabel.Nifti1Image,
    codes: tuple[int, int] = (1, 1),
    change: Callable[[bytearray], None] | None = None,
) -> bytes:
    """Return a NIfTI file; without voxels, that of the phantom, stored as it is displayed.

    codes : sform_code and qform_code. change : what is done to its bytes.
    """
    voxels = phantom().T if voxels is None else voxels
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ AFFINE if affine is None else affine
    image = kind(voxels, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    content = bytearray(image.to_bytes())
    if change is not None:
        change(content)
    return bytes(content)


def put(at: int, form: str, *values: float | bytes) -> Callable[[bytearray], None]:
    """Return what writes values into a file: `at` is a place in bytes, `form` one of struct's."""
    return lambda content: struct.pack_into(form, content, at, *values)


def zip_bytes(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip file of files by their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def sources(folder: Path, *contents: bytes, names: Sequence[str] = ()) -> list[SourceFile]:
    """Write files as the server keeps an upload: numbered, whatever their names."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, content in enumerate(contents):
        path = folder / f"{number:05d}"
        path.write_bytes(content)
        found.append(SourceFile(path, names[number] if names else f"file {number}"))
    return found


def opened(folder: Path, *contents: bytes, names: Sequence[str] = (), as_picture: bool = False) -> Study:
    """Read the files of an upload."""
    return open_study(sources(folder / "upload", *contents, names=names), folder / "unpacked", as_picture=as_picture)


def volume_of(folder: Path, *contents: bytes, names: Sequence[str] = ()) -> CtVolume:
    """Read an upload that holds a volume."""
    study = opened(folder, *contents, names=names)
    assert isinstance(study, VolumeStudy)
    return study.volume


def slices_of(volume: CtVolume) -> list[CtSlice]:
    """Return all slices of a volume, from the feet to the head."""
    return [volume.read(number) for number in range(len(volume))]


def values_of(volume: CtVolume) -> NDArray[np.float32]:
    """(slices, H, W) float32: all slices in order."""
    return np.stack([ct_slice.pixels for ct_slice in slices_of(volume)]).astype(np.float32)


def read_all(study: Study) -> list[CtSlice]:
    """Read each slice of a study."""
    return [study] if isinstance(study, CtSlice) else slices_of(study.volume)
