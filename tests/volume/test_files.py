from __future__ import annotations

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from model.decode.ct import CtSlice
from model.errors import StorageError
from model.preprocess import WINDOW_HU
from model.segment import Segmentation
from model.volume.files import SliceFiles
from tests.volume.written import IDENTITY, found

HOUNSFIELD = np.array([[-1250.0, -1000.0, -500.0], [0.0, 250.0, 3000.0]], np.float32)
LESION = np.array([[0.0, 0.25, 0.5], [0.75, 1.0, 1 / 65535]], np.float32)
LUNG = np.array([[0.49, 0.5, 0.51], [0.0, 1.0, 0.2]], np.float32)


def slice_of(lung: np.ndarray | None = LUNG) -> Segmentation:
    ct_slice = CtSlice(HOUNSFIELD, WINDOW_HU)
    return Segmentation(ct_slice, LESION, lung, found(ct_slice, LESION, lung), IDENTITY)


@pytest.fixture(params=[False, True], ids=["pictures", "plain"])
def files(tmp_path: Path, request: pytest.FixtureRequest) -> SliceFiles:
    kept = SliceFiles(tmp_path / "slices", plain=request.param)
    kept.write(3, slice_of())
    return kept


def test_a_slice_comes_back_as_it_is_displayed(files: SliceFiles) -> None:
    # (-1000 + 1250) / 1500 · 255 = 42.5 and (-500 + 1250) / 1500 · 255 = 127.5, which round to the even.
    assert files.gray(3).dtype == np.uint8
    assert files.gray(3).tolist() == [[0, 42, 128], [212, 255, 255]]


def test_probabilities_come_back_closely(files: SliceFiles) -> None:
    assert files.probability(3).dtype == np.float32
    assert files.probability(3).shape == (2, 3)
    np.testing.assert_allclose(files.probability(3), LESION, atol=1.01 / 65535)
    assert (files.probability(3).min(), files.probability(3).max()) == (0.0, 1.0)


def test_the_mask_is_cut_at_the_threshold(files: SliceFiles) -> None:
    assert files.lesion(3, 0.5).tolist() == [[False, False, True], [True, True, False]]
    assert files.lesion(3, 0.8).tolist() == [[False, False, False], [False, True, False]]


def test_the_lung_is_cut_at_its_own_threshold(files: SliceFiles) -> None:
    lung = files.lung(3)
    assert lung is not None
    assert lung.tolist() == [[False, True, True], [False, True, False]]


def test_there_is_no_lung_where_the_network_tells_none(tmp_path: Path) -> None:
    files = SliceFiles(tmp_path)
    files.write(0, slice_of(None))
    assert files.lung(0) is None
    assert files.lesion(0, 0.5).sum() == 3


def test_they_are_pictures_that_others_can_read(tmp_path: Path) -> None:
    files = SliceFiles(tmp_path / "slices")
    files.write(3, slice_of())
    names = sorted(str(path.relative_to(files.folder)) for path in files.folder.rglob("*.png"))
    assert names == ["gray/00003.png", "lesion/00003.png", "lung/00003.png"]
    stored = cv2.imread(str(files.folder / "lesion" / "00003.png"), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.dtype == np.uint16
    # 65535 / 4 = 16383.75 and 65535 / 2 = 32767.5, which rounds to the even; 49151 of 65535 would be below 0.75.
    assert stored.tolist() == [[0, 16384, 32768], [49152, 65535, 1]]


def test_they_are_given_out_as_pictures(files: SliceFiles) -> None:
    sent = cv2.imdecode(np.frombuffer(files.png("lesion", 3), np.uint8), cv2.IMREAD_UNCHANGED)
    assert sent is not None
    np.testing.assert_array_equal(sent, files.steps(3))


def test_a_slice_that_was_not_read_yet_is_missing(files: SliceFiles) -> None:
    with pytest.raises(FileNotFoundError, match="00004"):
        files.probability(4)


@pytest.mark.parametrize("plain", [False, True])
def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    def write(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(StorageError, match="The slices cannot be kept: No space left"):
        SliceFiles(tmp_path / "slices", plain=plain).write(0, slice_of())


@pytest.mark.parametrize("threshold", [0.2, 0.25, 0.35, 0.5, 0.65])
def test_the_kept_mask_has_the_pixels_that_were_counted(threshold: float, tmp_path: Path) -> None:
    # Every float32 about the threshold: what is rounded to be kept must not go to the other side of it.
    steps = np.arange(-3000, 3001, dtype=np.int32)
    near = (np.float32(threshold).view(np.int32) + steps).view(np.float32).reshape(1, -1)
    ct_slice = CtSlice(np.zeros(near.shape, np.float32), WINDOW_HU)
    findings = found(ct_slice, near, None, threshold=threshold)
    files = SliceFiles(tmp_path)
    files.write(0, Segmentation(ct_slice, near, None, findings, IDENTITY))
    assert np.count_nonzero(files.lesion(0, threshold)) == findings.lesion_area_px == 3001
