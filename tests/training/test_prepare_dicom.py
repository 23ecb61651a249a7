"""DICOM series through the command line of training.prepare."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.training.convert.test_dicom import phantom, save_series
from tests.training.test_prepare import body, complaint, marked, run, save
from training.convert.volumes import to_gray
from training.data.dataset import read_manifest, read_sample


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """A folder with a DICOM series of 4×40×48 and its mask, at its place by its header."""
    (tmp_path / "scans").mkdir()
    save_series(tmp_path / "scans" / "a")
    save_dicom_mask(tmp_path / "masks" / "a.nii.gz", shift_mm=0.0)
    return tmp_path


def save_dicom_mask(file: Path, *, shift_mm: float) -> None:
    """Mark slice 2, row 1, column 4 of the series; NIfTI counts to the right and to the front, so x and y go down."""
    mask = np.zeros((48, 40, 4), np.uint8)
    mask[4, 1, 2] = 1
    affine = np.diag([-3.0, -2.0, 2.5, 1.0])
    affine[:3, 3] = 10.0 + shift_mm, 20.0, 100.0
    file.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(mask, affine), file)


def test_a_dicom_series_is_a_scan(dicom: Path) -> None:
    lines = run(dicom)
    assert [line["image"] for line in lines] == [f"images/a_z00{number}.png" for number in range(4)]
    assert [line["lesion_px"] for line in lines] == list("0010")
    sample = read_sample(read_manifest(dicom / "out" / "index.csv")[2])
    assert np.array_equal(sample.image, to_gray(phantom().astype(np.float32), "a")[2])
    assert np.argwhere(sample.lesion == 255).tolist() == [[1, 4]]


def test_a_dicom_series_and_a_nifti_file_may_lie_side_by_side(dicom: Path) -> None:
    save(dicom / "scans" / "b.nii", body())
    save(dicom / "masks" / "b.nii", marked((17, 20, 3)))
    (dicom / "scans" / "notes").mkdir()
    assert [line["volume"] for line in run(dicom)] == ["a"] * 4 + ["b"] * 5


def test_it_refuses_a_mask_that_lies_off_its_dicom_series(dicom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dicom_mask(dicom / "masks" / "a.nii.gz", shift_mm=3.0)
    assert "a.nii.gz: the mask lies 3.0 mm off its scan" in complaint(dicom, capsys)


def test_it_refuses_a_mask_of_another_shape_than_its_dicom_series(
    dicom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(dicom / "masks" / "a.nii.gz", marked())
    assert "the mask is (5, 48, 40) (slices, height, width), the scan (4, 40, 48)" in complaint(dicom, capsys)


def test_what_is_wrong_with_a_dicom_series_is_said(dicom: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dicom / "scans" / "a" / "a.dcm").unlink()
    assert "one is missing" in complaint(dicom, capsys)
