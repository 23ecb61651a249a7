from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.config import disable_value_validation

from model.decode.kinds import SourceFile
from model.decode.study import VolumeStudy, open_study
from model.errors import StorageError
from model.export.folder import with_file_notes, write_all
from tests.volume.written import by_hand, chest, write_nifti, write_series

ALWAYS = {"mask.nii.gz", "probability.nii.gz", "montage.png", "report.pdf", "measurements.csv", "measurements.json"}


def study_of(sources: list[SourceFile], folder: Path) -> VolumeStudy:
    study = open_study(sources, folder)
    assert isinstance(study, VolumeStudy)
    return study


def marked() -> np.ndarray:
    lesion = np.zeros((4, 40, 48), np.float32)
    lesion[1, 10, 12:15] = 0.9
    return lesion


def test_of_a_series_everything_is_written(tmp_path: Path) -> None:
    study = study_of(write_series(tmp_path / "scan", chest()), tmp_path / "unpacked")
    written = write_all(by_hand(study.volume, tmp_path / "slices", marked()), study, tmp_path / "out" / "deep")
    assert set(written) == ALWAYS | {"mask.dcm"}
    assert {path.name for path in (tmp_path / "out" / "deep").iterdir()} == set(written)


def test_of_a_nifti_file_there_is_no_seg(tmp_path: Path) -> None:
    study = study_of([write_nifti(tmp_path / "scan.nii.gz", chest())], tmp_path / "unpacked")
    written = write_all(by_hand(study.volume, tmp_path / "slices", marked()), study, tmp_path / "out")
    assert set(written) == ALWAYS


def test_of_a_series_without_spacing_there_is_no_seg(tmp_path: Path) -> None:
    study = study_of(write_series(tmp_path / "scan", chest(), PixelSpacing=None), tmp_path / "unpacked")
    assert set(write_all(by_hand(study.volume, tmp_path / "slices", marked()), study, tmp_path / "out")) == ALWAYS


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.77])
def test_masks_and_tables_count_the_same(threshold: float, tmp_path: Path) -> None:
    study = study_of(write_series(tmp_path / "scan", chest()), tmp_path / "unpacked")
    random = np.random.default_rng(3).random((4, 40, 48), np.float32)
    write_all(by_hand(study.volume, tmp_path / "slices", random, threshold=threshold), study, tmp_path / "out")
    out = tmp_path / "out"
    count = json.loads((out / "measurements.json").read_text())["volume"]["lesion_voxels"]
    assert np.count_nonzero(nibabel.load(out / "mask.nii.gz").dataobj) == count
    assert np.count_nonzero(dcmread(out / "mask.dcm").pixel_array) == count
    with (out / "measurements.csv").open(newline="", encoding="utf-8") as file:
        assert sum(int(row["lesion_area_px"]) for row in csv.DictReader(file)) == count


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    study = study_of([write_nifti(tmp_path / "scan.nii", chest())], tmp_path / "unpacked")
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="The results cannot be kept"):
        write_all(by_hand(study.volume, tmp_path / "slices", marked()), study, tmp_path / "out")


@pytest.mark.parametrize(
    ("elements", "note"),
    [
        ({}, None),
        ({"StudyInstanceUID": "9-f:a"}, "so the DICOM SEG has made-up ones"),
        ({"SOPInstanceUID": None}, "so the DICOM SEG has made-up ones"),
        ({"PixelSpacing": None}, "There is no DICOM SEG"),
    ],
)
def test_where_the_seg_falls_short_is_said(elements: dict[str, Any], note: str | None, tmp_path: Path) -> None:
    with disable_value_validation():
        sources = write_series(tmp_path / "scan", chest(), **elements)
    study = study_of(sources, tmp_path / "unpacked")
    segmentation = by_hand(study.volume, tmp_path / "slices", marked())
    added = with_file_notes(segmentation, study).notes[len(segmentation.notes) :]
    assert [note in told for told in added] == [True] if note else added == ()
