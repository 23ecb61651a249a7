"""Two hundred studies of every kind, broken ones among them, made of the shared slices."""

from __future__ import annotations

import shutil
import warnings
from itertools import islice
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.config import disable_value_validation
from pydicom.uid import generate_uid

from training.data.dataset import DATA_FOLDER, MANIFEST, read_gray, read_manifest

SERIES = sorted((DATA_FOLDER / "dicom-p002").glob("*.dcm"))

PICTURES, VOLUMES, SERIES_COUNT, BROKEN = 150, 15, 15, 20
COUNT = PICTURES + VOLUMES + SERIES_COUNT + BROKEN

needs_scans = pytest.mark.skipif(
    not (SERIES and MANIFEST.is_file()), reason=f"the scans are not there: {DATA_FOLDER / 'dicom-p002'}, {MANIFEST}"
)


def write_mixed(folder: Path) -> None:
    """Write them, in folders as deep as hospitals have them."""
    rows = read_manifest(MANIFEST)
    slices = [row.image for row in rows]
    for number, file in enumerate(islice(slices, 0, None, max(1, len(slices) // PICTURES)), start=1):
        if number <= PICTURES:
            _copy(file, folder / f"ward {number % 7}" / f"patient{number % 30}" / f"{number:03d}.png")
    for number in range(VOLUMES):
        write_volume(slices[40 * number : 40 * number + 3], folder / "nifti" / f"{number}" / "scan.nii.gz")
    for number in range(SERIES_COUNT):
        write_series(SERIES[2 * number : 2 * number + 3], folder / "dicom" / f"study{number % 4}" / f"{number}", number)
    _write_broken(folder, slices)
    (folder / "notes.txt").write_text("no scan")


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def write_volume(pictures: list[Path], file: Path) -> None:
    """Write pictures as the slices of a NIfTI volume in Hounsfield units."""
    gray = np.stack([read_gray(picture) for picture in pictures])
    voxels = (gray.astype(np.float32) / 255.0 * 1500.0 - 1250.0).transpose(2, 1, 0).astype(np.int16)
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-0.7, -0.7, 5.0, 1.0])), file)


def write_series(files: list[Path], folder: Path, seed: int) -> None:
    """Write a series of its own, of the slices of another; every third slice lies in a folder of its own."""
    # The headers of the real slices are untidy.
    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _write_series(files, folder, seed)


def _write_series(files: list[Path], folder: Path, seed: int) -> None:
    series = generate_uid(entropy_srcs=["series", str(seed)])
    for number, file in enumerate(files):
        dataset = pydicom.dcmread(file)
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(seed)])
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=["slice", str(seed), str(number)])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        target = folder / ("more" if number % 3 == 2 else "") / f"IM{number}"
        target.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(target)


def _write_broken(folder: Path, slices: list[Path]) -> None:
    broken = folder / "broken"
    broken.mkdir()
    whole, dicom = slices[0].read_bytes(), SERIES[0].read_bytes()
    for number in range(4):
        (broken / f"text{number}.png").write_text(f"no picture {number}")
        (broken / f"empty{number}.png").touch()
        (broken / f"cut{number}.png").write_bytes(whole[: 1000 + number])
        (broken / f"cut{number}.dcm").write_bytes(dicom[: 300 + number])
    for number in range(2):
        (broken / f"cut{number}.nii.gz").write_bytes(b"\x1f\x8b\x08" + bytes(20 + number))
    (broken / "nothing.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    cv2.imwrite(str(broken / "stripes.png"), stripes)
