"""Synthetic CT volumes: as they are displayed, written as DICOM or NIfTI, and read by a hand instead of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from model.card import Identity
from model.decode.ct import CtSlice, CtVolume, Place
from model.decode.kinds import SourceFile
from model.findings import Findings, measure
from model.preprocess import WINDOW_HU
from model.segment import Segmentation
from model.volume.files import SliceFiles
from model.volume.findings import measure_volume
from model.volume.segment import VolumeSegmentation
from tests.phantoms import changed, slices_of

FloatArray = NDArray[np.float32]
Affine = NDArray[np.float64]

IDENTITY = Identity("tested-1", "ab" * 32)

# Left, back and head positive. A pixel is 2 mm high and 3 mm wide, slices are 4 mm apart.
AFFINE = np.array([[3.0, 0.0, 0.0, -70.0], [0.0, 2.0, 0.0, -50.0], [0.0, 0.0, 4.0, 100.0], [0.0, 0.0, 0.0, 1.0]])

# Stored slices by how they lie: axes reversed of (slice, row, column) as displayed, and ImageOrientationPatient.
STORED = {
    "as displayed": ((), (1, 0, 0, 0, 1, 0)),
    "columns reversed": ((2,), (-1, 0, 0, 0, 1, 0)),
    "rows reversed": ((1,), (1, 0, 0, 0, -1, 0)),
    "both reversed": ((1, 2), (-1, 0, 0, 0, -1, 0)),
    "rows and columns swapped": ((), (0, 1, 0, 1, 0, 0)),
    "swapped, columns reversed": ((2,), (0, 1, 0, -1, 0, 0)),
}


def uid(*numbers: int) -> UID:
    return UID(".".join(map(str, (1, 2, 3, *numbers))))


def chest(slices: int = 4, height: int = 40, width: int = 48) -> FloatArray:
    """(slices, height, width) in HU, even numbers: air, with a body of tissue that is larger on the patient's left."""
    values = np.full((slices, height, width), -1000.0, np.float32)
    values[:, 8:-4, 6:-2] = 40.0
    # Each slice differs, each quarter of it too.
    for number in range(slices):
        values[number, 10:14, 10:16] = -800.0 + 20.0 * number
    return values


def write_series(
    folder: Path, hounsfield: FloatArray, *, stored: str = "as displayed", **more: Any
) -> list[SourceFile]:
    """Write slices as displayed, from the feet to the head, at AFFINE; the files are named the other way round.

    stored : of STORED. more : elements of every slice; None leaves one out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reversed_axes, orientation = STORED[stored]
    turned = np.flip(hounsfield, reversed_axes)
    _, height, width = hounsfield.shape
    first = [0 if 2 not in reversed_axes else width - 1, 0 if 1 not in reversed_axes else height - 1]
    swapped = stored.startswith(("swapped", "rows and columns"))
    spacing = [3.0, 2.0] if swapped else [2.0, 3.0]
    sources = []
    for number, values in enumerate(turned):
        position = (AFFINE @ [*first, number, 1])[:3].tolist()
        elements = {"ImagePositionPatient": position, "ImageOrientationPatient": list(orientation)}
        elements |= {"PixelSpacing": spacing}
        dataset = ct_dataset(values.T if swapped else values, number, **elements | more)
        path = folder / f"{len(turned) - number:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        sources.append(SourceFile(path, path.name))
    return sources


def ct_dataset(hounsfield: NDArray[Any], number: int, **elements: Any) -> Dataset:
    """A header as scanners write it, stored with slope 2 and intercept -2048."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid(4, number + 1)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uid(1), uid(2), uid(3)
    dataset.Modality, dataset.InstanceNumber, dataset.PatientName = "CT", number + 1, "Doe^Jane"
    dataset.PatientID, dataset.StudyDate = "4711", "20200401"
    dataset.Rows, dataset.Columns = hounsfield.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -2048
    dataset.PixelSpacing, dataset.SliceThickness = [2.0, 3.0], 4.0
    dataset.PixelData = ((np.asarray(hounsfield, np.int32) + 2048) // 2).astype(np.uint16).tobytes()
    return changed(dataset, elements)


def write_nifti(
    path: Path,
    hounsfield: FloatArray,
    *,
    codes: str = "RAS",
    affine: Affine = AFFINE,
    header_codes: tuple[int, int] = (1, 1),
) -> SourceFile:
    """Write slices as displayed to a NIfTI file whose axes grow to `codes`; the voxels lie at the same place by each.

    affine : of (column, row, slice) in DICOM's frame. header_codes : sform_code and qform_code.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # NIfTI counts to the right and to the front.
    image = nibabel.Nifti1Image(hounsfield.transpose(2, 1, 0).astype(np.int16), np.diag([-1, -1, 1, 1]) @ affine)
    image = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))
    header = image.header
    header.set_sform(image.affine, code=header_codes[0])
    header.set_qform(image.affine, code=header_codes[1])
    # By any other affine, nibabel would set the codes itself.
    nibabel.save(nibabel.Nifti1Image(image.dataobj, header.get_best_affine(), header), path)
    return SourceFile(path, path.name)


def oblique(degrees: float = 12.0) -> Affine:
    """AFFINE turned about the axis from the feet to the head, and half as much about the one from right to left."""
    about_z, about_x = np.radians(degrees), np.radians(degrees / 2)
    turn_z, turn_x = np.eye(4), np.eye(4)
    turn_z[:2, :2] = [[np.cos(about_z), -np.sin(about_z)], [np.sin(about_z), np.cos(about_z)]]
    turn_x[1:3, 1:3] = [[np.cos(about_x), -np.sin(about_x)], [np.sin(about_x), np.cos(about_x)]]
    return np.asarray(turn_x @ turn_z @ AFFINE, np.float64)


def drawn_volume(
    pixels: FloatArray,
    *,
    affine: Affine | None = AFFINE,
    extents_mm: Sequence[float] | None = None,
    sides_known: bool = True,
) -> CtVolume:
    """A volume in Hounsfield units that was never a file."""
    spacing = None if affine is None else (float(affine[1, 1]), float(affine[0, 0]))
    return CtVolume(
        shape=(pixels.shape[0], pixels.shape[1], pixels.shape[2]),
        read=lambda number: CtSlice(pixels[number], WINDOW_HU, spacing),
        affine=affine,
        extents_mm=None if extents_mm is None else tuple(extents_mm),
        sides_known=sides_known,
        places=_places(len(pixels), affine),
    )


def _places(slices: int, affine: Affine | None) -> tuple[Place, ...]:
    return tuple(Place(None if affine is None else float((affine @ [0, 0, n, 1])[2]), n + 1) for n in range(slices))


def by_hand(
    volume: CtVolume, folder: Path, lesion: FloatArray, lung: FloatArray | None = None, *, threshold: float = 0.5
) -> VolumeSegmentation:
    """Read a volume as `model.volume.segment` does, with given probabilities, (slices, H, W)."""
    files, findings = SliceFiles(folder), []
    for number, segmentation in enumerate(_segmentations(volume, lesion, lung, threshold)):
        files.write(number, segmentation)
        findings.append(segmentation.findings)
    measured = measure_volume(files, findings, volume, threshold=threshold)
    return VolumeSegmentation(files, measured, IDENTITY, quality=False, notes=volume.notes)


def _segmentations(
    volume: CtVolume, lesion: FloatArray, lung: FloatArray | None, threshold: float
) -> Iterator[Segmentation]:
    for number, ct_slice in enumerate(slices_of(volume)):
        inside = None if lung is None else lung[number]
        findings = found(ct_slice, lesion[number], inside, threshold=threshold)
        yield Segmentation(ct_slice, lesion[number], inside, findings, IDENTITY)


def found(ct_slice: CtSlice, lesion: FloatArray, lung: FloatArray | None, *, threshold: float = 0.5) -> Findings:
    hounsfield = np.asarray(ct_slice.pixels, np.float32) if ct_slice.hounsfield else None
    return measure(lesion, lung, threshold=threshold, spacing_mm=ct_slice.spacing_mm, hounsfield=hounsfield)
