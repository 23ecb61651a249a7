from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.errors import StorageError
from model.steps import THRESHOLDS
from model.volume.areas import Areas, measure_areas
from model.volume.findings import at_threshold
from tests.volume.written import FloatArray, by_hand, drawn_volume

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
PIXELS = np.full((2, 10, 10), -800.0, np.float32)


def lesions() -> FloatArray:
    """Slice 1: 6 pixels at 0.3 and 4 at 0.8. Slice 2: 5 at 0.6."""
    drawn = np.zeros((2, 10, 10), np.float32)
    drawn[0, 0, :6], drawn[0, 1, :4], drawn[1, 2, :5] = 0.3, 0.8, 0.6
    return drawn


def lungs() -> FloatArray:
    """The upper half; in slice 2 without the pixels of the lesion."""
    drawn = np.zeros((2, 10, 10), np.float32)
    drawn[:, :5] = 0.9
    drawn[1, 2, :5] = 0.1
    return drawn


def areas_of(folder: Path, lung: FloatArray | None = None) -> Areas:
    read = by_hand(drawn_volume(PIXELS, affine=AFFINE, extents_mm=(2.0, 2.0)), folder, lesions(), lung)
    return measure_areas(read.files, read.measured.rows)


@pytest.mark.parametrize(
    ("threshold", "lesion", "lung"),
    [(0.01, [10, 5], [50, 50]), (0.3, [10, 5], [50, 50]), (0.31, [4, 5], [50, 50]), (0.61, [4, 0], [50, 45])],
)
def test_areas_are_counted_at_each_threshold(
    tmp_path: Path, threshold: float, lesion: list[int], lung: list[int]
) -> None:
    assert areas_of(tmp_path, lungs()).at(threshold) == (lesion, lung)


def test_where_the_network_tells_no_lung_there_is_none(tmp_path: Path) -> None:
    assert areas_of(tmp_path).at(0.5) == ([4, 5], None)


def test_they_come_back_from_their_file(tmp_path: Path) -> None:
    for lung in (None, lungs()):
        areas = areas_of(tmp_path / f"{lung is None}", lung)
        areas.save(tmp_path)
        back = Areas.load(tmp_path)
        assert [back.at(threshold) for threshold in THRESHOLDS] == [areas.at(threshold) for threshold in THRESHOLDS]
        np.testing.assert_array_equal(back.weights, areas.weights)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="The areas cannot be kept"):
        areas_of(tmp_path / "slices").save(tmp_path / "missing")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7, 0.9])
def test_findings_at_a_threshold_are_those_of_a_volume_read_at_it(
    tmp_path: Path, threshold: float, known: bool
) -> None:
    volume = drawn_volume(PIXELS, affine=AFFINE if known else None, extents_mm=(2.0, 2.0) if known else None)
    read = by_hand(volume, tmp_path / "read", lesions(), lungs())
    asked = by_hand(volume, tmp_path / "asked", lesions(), lungs(), threshold=threshold).measured.findings
    areas = measure_areas(read.files, read.measured.rows)
    told = at_threshold(read.measured.findings, areas, [True, True], threshold)
    for name in (
        "threshold", "slices_with_lesion", "most_affected_slice", "lesion_voxels", "lung_voxels", "lesion_ml",
        "lung_ml", "lesion_percent_of_lung", "severity_grade", "severity_span", "slice_count", "slices_read",
    ):  # fmt: skip
        assert getattr(told, name) == getattr(asked, name), name
    assert told.lesion_mean_hu == read.measured.findings.lesion_mean_hu
