"""A chest in which right is not left, in every format: what comes back lies where it was put."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from model.decode.ct import CtSlice
from model.decode.kinds import SourceFile
from model.decode.study import VolumeStudy, open_study
from model.engine import Engine
from model.export.folder import write_all
from model.overlay import overlay
from model.phantom import SIZE, Blob, draw_phantom
from model.preprocess import WINDOW_HU
from model.segment import segment_slice
from model.volume.files import SliceFiles
from model.volume.segment import segment_volume
from tests.export.test_dicom_seg import places_in_nifti, places_in_seg
from tests.volume.written import FloatArray, oblique, write_nifti, write_series

BLOB = Blob(138, 310, 34, 0.6)
"""On the left of the picture, below its middle: in the patient's right lung, towards the back."""

WITH_LESION = (0, 1)
"""Of three slices from the feet to the head."""


def gray() -> list[NDArray[np.uint8]]:
    return [draw_phantom((BLOB,) if number in WITH_LESION else (), seed=7 + number) for number in range(3)]


def chest_hu() -> FloatArray:
    low, high = WINDOW_HU
    values = low + np.stack(gray()).astype(np.float32) / 255.0 * (high - low)
    # What can be stored by a slope of 2.
    return np.asarray(2.0 * np.rint(values / 2.0), np.float32)


Writer = Callable[[Path], list[SourceFile]]

WRITERS: dict[str, Writer] = {
    "DICOM": lambda folder: write_series(folder, chest_hu()),
    "DICOM, columns reversed": lambda folder: write_series(folder, chest_hu(), stored="columns reversed"),
    "DICOM, rows reversed": lambda folder: write_series(folder, chest_hu(), stored="rows reversed"),
    "DICOM, swapped": lambda folder: write_series(folder, chest_hu(), stored="swapped, columns reversed"),
    "NIfTI, RAS": lambda folder: [write_nifti(folder / "scan.nii.gz", chest_hu(), codes="RAS")],
    "NIfTI, LPS": lambda folder: [write_nifti(folder / "scan.nii", chest_hu(), codes="LPS")],
    "NIfTI, oblique": lambda folder: [write_nifti(folder / "scan.nii.gz", chest_hu(), codes="PIR", affine=oblique())],
}


def is_at_blob(mask: NDArray[np.bool_]) -> bool:
    """Whether the marked pixels lie about the blob, and none on the other side of the picture."""
    rows, columns = np.nonzero(mask)
    near = np.hypot(rows.mean() - BLOB.y, columns.mean() - BLOB.x) < BLOB.radius
    return bool(near) and not mask[:, SIZE // 2 :].any()


def test_the_phantom_is_asymmetric() -> None:
    # Else a mirrored result would go unnoticed: the heart lies on the right of the picture.
    picture = draw_phantom().astype(int)
    assert np.abs(picture - picture[:, ::-1]).mean() > 10
    assert np.abs(picture - picture[::-1]).mean() > 10


def test_a_picture_comes_back_unmirrored(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "slice.png"
    path.write_bytes(bytes(cv2.imencode(".png", gray()[0])[1]))
    ct_slice = open_study([SourceFile(path, path.name)], tmp_path / "unpacked")
    assert isinstance(ct_slice, CtSlice)
    assert is_at_blob(segment_slice(ct_slice, engine).mask)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_volume_comes_back_unmirrored(write: Writer, engine: Engine, tmp_path: Path) -> None:
    study = open_study(write(tmp_path / "scan"), tmp_path / "unpacked")
    assert isinstance(study, VolumeStudy)
    segmentation = segment_volume(study.volume, engine, SliceFiles(tmp_path / "slices"))
    files, measured = segmentation.files, segmentation.measured

    for number, drawn in enumerate(gray()):
        assert np.abs(files.gray(number).astype(int) - drawn).max() <= 1
    for number in WITH_LESION:
        assert is_at_blob(files.lesion(number, 0.5))
        assert_coloured_at_blob(overlay(files.gray(number), files.probability(number), threshold=0.5))
    counts = [row.findings.lesion_area_px for row in measured.rows]
    assert counts[2] < 0.05 * min(counts[:2])
    assert measured.findings.right is not None
    assert measured.findings.left is not None
    assert measured.findings.right.lesion_px > 0.95 * measured.findings.lesion_voxels > 500
    assert measured.findings.left.lesion_px < 0.05 * measured.findings.lesion_voxels
    assert measured.findings.left.lung_px > 0.4 * measured.findings.right.lung_px

    written = write_all(segmentation, study, tmp_path / "out")
    assert_mask_at_blob(tmp_path / "out" / "mask.nii.gz", study)
    if "mask.dcm" in written:
        places = places_in_seg(dcmread(tmp_path / "out" / "mask.dcm"))
        assert places == places_in_nifti(tmp_path / "out" / "mask.nii.gz")


def assert_coloured_at_blob(picture: NDArray[np.uint8]) -> None:
    """The heat over the blob is yellow or green; at its mirror image there is but gray."""
    _, green, blue = picture[BLOB.y, BLOB.x].astype(int)
    assert green > blue + 20
    mirrored = picture[BLOB.y, SIZE - 1 - BLOB.x]
    assert mirrored.min() == mirrored.max()


def assert_mask_at_blob(path: Path, study: VolumeStudy) -> None:
    """By the header of the file alone, the marks lie in the lower slices on the patient's right, towards the back."""
    assert study.volume.affine is not None
    marks = np.array(sorted(places_in_nifti(path)))
    expected = [(study.volume.affine @ [BLOB.x, BLOB.y, number, 1])[:3] for number in WITH_LESION]
    # Pixels are 3 mm wide and 2 mm high; the mark's middle may lie a few of them off the blob's.
    assert np.linalg.norm(marks.mean(axis=0) - np.mean(expected, axis=0)) < 3 * BLOB.radius
    middle = (study.volume.affine @ [SIZE / 2, SIZE / 2, 1, 1])[:3]
    assert marks[:, 0].max() < middle[0]
