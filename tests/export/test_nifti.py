from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from model.decode.nifti import read_nifti
from model.decode.series import read_series
from model.export.nifti import Target, write_mask, write_probability
from tests.volume.written import (
    AFFINE,
    STORED,
    Affine,
    by_hand,
    chest,
    drawn_volume,
    oblique,
    write_nifti,
    write_series,
)

SHAPE = (4, 40, 48)
SLICE, ROW, COLUMN = 2, 11, 14
"""The voxel that is marked, as displayed."""


def marked(probability: float = 0.9) -> NDArray[np.float32]:
    lesion = np.zeros(SHAPE, np.float32)
    lesion[SLICE, ROW, COLUMN] = probability
    return lesion


def place_of(affine: Affine) -> NDArray[np.float64]:
    """Where the marked voxel lies in NIfTI's frame, by the affine as displayed in DICOM's."""
    return np.asarray((np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine @ [COLUMN, ROW, SLICE, 1])[:3], np.float64)


def place_in(image: Any) -> NDArray[np.float64]:
    """Where the only voxel of an image that is not 0 lies."""
    (index,) = np.argwhere(np.asarray(image.dataobj) > 0)
    return np.asarray((image.affine @ [*index, 1])[:3], np.float64)


GRIDS = {
    "RAS": ("RAS", AFFINE),
    "LPS": ("LPS", AFFINE),
    "PIR": ("PIR", AFFINE),
    "SAL": ("SAL", AFFINE),
    "oblique": ("RAS", oblique()),
    "oblique, LPS": ("LPS", oblique()),
    "oblique, PIR": ("PIR", oblique()),
}


@pytest.mark.parametrize(("codes", "affine"), GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("header_codes", [(1, 1), (2, 0), (0, 1)])
def test_a_mask_lies_on_the_grid_of_its_nifti_file(
    codes: str, affine: Affine, header_codes: tuple[int, int], tmp_path: Path
) -> None:
    # The marked voxel is the brightest of the scan as well, so that both are found again by nibabel alone.
    hounsfield = chest()
    hounsfield[SLICE, ROW, COLUMN] = 900.0
    source = write_nifti(tmp_path / "scan.nii.gz", hounsfield, codes=codes, affine=affine, header_codes=header_codes)
    read = read_nifti(source, tmp_path)
    segmentation = by_hand(read.volume, tmp_path / "slices", marked())
    write_mask(segmentation.files, Target(read.volume, read.grid), tmp_path / "mask.nii.gz", threshold=0.5)

    scan, mask = nibabel.load(source.path), nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == scan.shape
    assert mask.get_data_dtype() == np.uint8
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == header_codes
    np.testing.assert_allclose(mask.affine, scan.affine, atol=1e-4)
    assert np.array_equal(np.asarray(mask.dataobj), np.asarray(scan.dataobj) == 900)
    np.testing.assert_allclose(place_in(mask), place_of(affine), atol=1e-3)


@pytest.mark.parametrize(("codes", "affine"), GRIDS.values(), ids=GRIDS)
def test_probabilities_come_back_closely(codes: str, affine: Affine, tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "scan.nii", chest(), codes=codes, affine=affine)
    read = read_nifti(source, tmp_path)
    segmentation = by_hand(read.volume, tmp_path / "slices", marked(0.3))
    write_probability(segmentation.files, Target(read.volume, read.grid), tmp_path / "probability.nii.gz")

    image = nibabel.load(tmp_path / "probability.nii.gz")
    assert image.get_fdata().max() == pytest.approx(0.3, abs=1e-5)
    assert np.count_nonzero(image.get_fdata()) == 1
    np.testing.assert_allclose(place_in(image), place_of(affine), atol=1e-3)


@pytest.mark.parametrize("stored", STORED)
def test_a_mask_of_a_dicom_series_lies_where_the_slices_lie(stored: str, tmp_path: Path) -> None:
    series = read_series(write_series(tmp_path / "scan", chest(), stored=stored))
    segmentation = by_hand(series.volume, tmp_path / "slices", marked())
    write_mask(segmentation.files, Target(series.volume, None), tmp_path / "mask.nii.gz", threshold=0.5)

    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == (48, 40, 4)
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (1, 1)
    # 14 columns of 3 mm from -70 to the left, 11 rows of 2 mm from -50 to the back, 2 slices of 4 mm from 100 upwards.
    np.testing.assert_allclose(place_in(mask), [70 - 42, 50 - 22, 108], atol=1e-4)
    np.testing.assert_allclose(mask.header.get_zooms(), (3.0, 2.0, 4.0))


def test_a_disk_without_room_for_a_turned_volume_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(file: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    read = read_nifti(write_nifti(tmp_path / "scan.nii", chest(), codes="SAR"), tmp_path)
    segmentation = by_hand(read.volume, tmp_path / "slices", marked())
    with pytest.raises(OSError, match="No space left"):
        write_mask(segmentation.files, Target(read.volume, read.grid), tmp_path / "mask.nii.gz", threshold=0.5)
    assert not list(tmp_path.glob("*.voxels"))


def test_a_tilted_series_keeps_its_shear(tmp_path: Path) -> None:
    sources = write_series(tmp_path / "scan", chest())
    for number, source in enumerate(reversed(sources)):
        move(source.path, 3 - number)
    series = read_series(sources)
    segmentation = by_hand(series.volume, tmp_path / "slices", marked())
    write_mask(segmentation.files, Target(series.volume, None), tmp_path / "mask.nii.gz", threshold=0.5)
    # Each slice lies 1 mm further to the back: the slice marked by 2 mm.
    np.testing.assert_allclose(place_in(nibabel.load(tmp_path / "mask.nii.gz")), [28, 28 - 2, 108], atol=1e-4)


def move(path: Path, millimetres: float) -> None:
    dataset = dcmread(path)
    x, y, z = map(float, dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [x, y + millimetres, z]
    dataset.save_as(path)


def test_a_mask_of_unknown_place_says_so(tmp_path: Path) -> None:
    volume = drawn_volume(chest(), affine=None)
    segmentation = by_hand(volume, tmp_path / "slices", marked())
    write_mask(segmentation.files, Target(volume, None), tmp_path / "mask.nii.gz", threshold=0.5)
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (0, 0)
    assert np.argwhere(np.asarray(mask.dataobj)).tolist() == [[COLUMN, ROW, SLICE]]


def test_a_nifti_file_that_does_not_tell_sides_gets_a_mask_that_does_not(tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "scan.nii", chest(), codes="LPS", header_codes=(0, 0))
    read = read_nifti(source, tmp_path)
    segmentation = by_hand(read.volume, tmp_path / "slices", marked())
    write_mask(segmentation.files, Target(read.volume, read.grid), tmp_path / "mask.nii.gz", threshold=0.5)
    scan, mask = nibabel.load(source.path), nibabel.load(tmp_path / "mask.nii.gz")
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (0, 0)
    np.testing.assert_allclose(mask.affine, scan.affine, atol=1e-4)


def test_a_mask_has_both_affines_of_its_nifti_file(tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "scan.nii", chest(), codes="LPS")
    image = nibabel.load(source.path)
    image.header.set_qform(np.diag([-1, -1, 1, 1]) @ oblique(), code=1)
    image.header.set_sform(image.affine, code=2)
    changed = nibabel.Nifti1Image(np.array(image.dataobj), None, image.header)
    nibabel.save(changed, source.path)
    read = read_nifti(source, tmp_path)
    segmentation = by_hand(read.volume, tmp_path / "slices", marked())
    write_mask(segmentation.files, Target(read.volume, read.grid), tmp_path / "mask.nii.gz", threshold=0.5)
    scan, mask = nibabel.load(source.path).header, nibabel.load(tmp_path / "mask.nii.gz").header
    assert (int(mask["sform_code"]), int(mask["qform_code"])) == (2, 1)
    np.testing.assert_allclose(mask.get_sform(), scan.get_sform(), atol=1e-4)
    np.testing.assert_allclose(mask.get_qform(), scan.get_qform(), atol=1e-4)
    assert not np.allclose(mask.get_sform(), mask.get_qform(), atol=1.0)


def test_of_uneven_slices_each_plane_holds_the_nearest(tmp_path: Path) -> None:
    # Of eight slices, 4 mm apart, the sixth and seventh are missing.
    sources = write_series(tmp_path / "scan", chest(8))
    series = read_series([sources[number] for number in (0, 1, 2, 3, 4, 7)])
    lesion = np.zeros((6, 40, 48), np.float32)
    lesion[:, ROW, COLUMN] = np.linspace(0.5, 1.0, 6)
    segmentation = by_hand(series.volume, tmp_path / "slices", lesion)
    write_probability(segmentation.files, Target(series.volume, None), tmp_path / "probability.nii.gz")

    image = nibabel.load(tmp_path / "probability.nii.gz")
    column = np.asarray(image.get_fdata()[COLUMN, ROW])
    np.testing.assert_allclose(column, [0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 1.0, 1.0], atol=1e-4)
    np.testing.assert_allclose(image.header.get_zooms(), (3.0, 2.0, 4.0), atol=1e-4)
    np.testing.assert_allclose((image.affine @ [COLUMN, ROW, 7, 1])[:3], [28, 28, 128], atol=1e-4)


def test_the_threshold_cuts_the_mask(tmp_path: Path) -> None:
    volume = drawn_volume(chest())
    segmentation = by_hand(volume, tmp_path / "slices", marked(0.4))
    for threshold, count in ((0.3, 1), (0.5, 0)):
        write_mask(segmentation.files, Target(volume, None), tmp_path / "mask.nii.gz", threshold=threshold)
        assert np.count_nonzero(nibabel.load(tmp_path / "mask.nii.gz").dataobj) == count


def test_nothing_is_left_beside_the_mask(tmp_path: Path) -> None:
    volume = drawn_volume(chest())
    segmentation = by_hand(volume, tmp_path / "slices", marked())
    (tmp_path / "out").mkdir()
    write_mask(segmentation.files, Target(volume, None), tmp_path / "out" / "mask.nii.gz", threshold=0.5)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mask.nii.gz"]
