from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.decode.ct import CtVolume
from model.volume.findings import LEAST_LESION_ML, VolumeFindings
from model.volume.rows import Side
from tests.volume.written import FloatArray, by_hand, drawn_volume

SHAPE = (4, 40, 60)
CM = np.diag([1.0, 1.0, 1.0, 1.0])
"""A pixel of 1 mm²: 1000 of them, 1 mm high, are a millilitre."""


def masks(*boxes: tuple[int, slice, slice], probability: float = 0.9) -> FloatArray:
    """(4, 40, 60), the boxes (slice, rows, columns) marked."""
    drawn = np.zeros(SHAPE, np.float32)
    for box in boxes:
        drawn[box] = probability
    return drawn


def two_lungs(slices: Sequence[int] = range(4)) -> FloatArray:
    """Right 20 · 20 = 400, left 20 · 15 = 300 pixels in each slice."""
    boxes = [(number, slice(10, 30), columns) for number in slices for columns in (slice(5, 25), slice(35, 50))]
    return masks(*boxes)


# 4 · 5 = 20 pixels of the right lung in slice 2, 2 · 5 = 10 there in slice 3; 3 of the left in slice 3.
LESION = masks((1, slice(12, 16), slice(10, 15)), (2, slice(12, 14), slice(10, 15)), (2, slice(20, 21), slice(40, 43)))


def volume_of(
    *,
    extents_mm: Sequence[float] | None = (1.0, 2.0, 3.0, 4.0),
    affine: np.ndarray | None = CM,
    sides_known: bool = True,
    pixels: FloatArray | None = None,
) -> CtVolume:
    drawn = np.full(SHAPE, -800.0, np.float32) if pixels is None else pixels
    return drawn_volume(drawn, affine=affine, extents_mm=extents_mm, sides_known=sides_known)


def measured(tmp_path: Path, lung: FloatArray | None, volume: CtVolume, lesion: FloatArray = LESION) -> VolumeFindings:
    return by_hand(volume, tmp_path, lesion, lung).measured.findings


def test_millilitres_count_each_slice_by_its_own_extent(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of())
    # 20 px · 2 mm + 13 px · 3 mm = 79 mm³; 700 px · (1 + 2 + 3 + 4) mm = 7000 mm³.
    assert findings.lesion_ml == pytest.approx(0.079)
    assert findings.lung_ml == pytest.approx(7.0)
    assert findings.lesion_percent_of_lung == pytest.approx(100 * 79 / 7000)
    assert (findings.lesion_voxels, findings.lung_voxels) == (33, 2800)
    assert findings.severity_grade == 1


def test_a_pixel_has_the_size_that_the_header_says(tmp_path: Path) -> None:
    # 3 mm wide and 0.5 mm high: one and a half times the volume.
    wide = volume_of(affine=np.diag([3.0, 0.5, 1.0, 1.0]))
    assert measured(tmp_path, two_lungs(), wide).lesion_ml == pytest.approx(1.5 * 0.079)


def test_each_lung_has_its_own_figures(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of())
    assert findings.right is not None
    assert findings.left is not None
    assert (findings.right.lung_px, findings.right.lesion_px) == (1600, 30)
    assert (findings.left.lung_px, findings.left.lesion_px) == (1200, 3)
    # 20 px · 2 mm + 10 px · 3 mm = 70 mm³ of 400 px · 10 mm; 3 px · 3 mm = 9 mm³ of 300 px · 10 mm.
    assert findings.right.lesion_ml == pytest.approx(0.070)
    assert findings.right.lung_ml == pytest.approx(4.0)
    assert findings.right.lesion_percent_of_lung == pytest.approx(1.75)
    assert findings.left.lesion_ml == pytest.approx(0.009)
    assert findings.left.lung_ml == pytest.approx(3.0)
    assert findings.left.lesion_percent_of_lung == pytest.approx(0.3)


def test_a_lung_is_told_in_each_slice(tmp_path: Path) -> None:
    rows = by_hand(volume_of(), tmp_path, LESION, two_lungs()).measured.rows
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.right and row.right.lesion_px for row in rows] == [0, 20, 10, 0]
    assert rows[1].right == Side(400, 20, 5.0)
    assert rows[2].left == Side(300, 3, 1.0)


def test_lesions_are_counted_in_three_dimensions(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of())
    # The two boxes of the right lung touch: 70 mm³. The 9 mm³ of the left are below 14 mm³: volume, but no lesion.
    assert LEAST_LESION_ML == 0.014
    assert findings.lesion_count == 1
    assert findings.largest_lesion_ml == pytest.approx(0.070)


def test_without_spacing_every_region_counts_and_nothing_is_in_millilitres(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of(affine=None))
    assert (findings.lesion_ml, findings.lung_ml, findings.largest_lesion_ml) == (None, None, None)
    assert findings.lesion_count == 2
    # Each slice alike: 33 of 2800.
    assert findings.lesion_percent_of_lung == pytest.approx(100 * 33 / 2800)
    assert findings.right is not None
    assert (findings.right.lung_ml, findings.right.lesion_ml) == (None, None)
    assert findings.right.lesion_percent_of_lung == pytest.approx(100 * 30 / 1600)


def test_without_extents_nothing_is_in_millilitres(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of(extents_mm=None))
    assert findings.lesion_ml is None
    assert findings.lesion_percent_of_lung == pytest.approx(100 * 33 / 2800)


def test_densities_are_weighted_by_volume(tmp_path: Path) -> None:
    pixels = np.full(SHAPE, -800.0, np.float32)
    pixels[1], pixels[2] = -600.0, 0.0
    findings = measured(tmp_path, two_lungs(), volume_of(pixels=pixels))
    # 40 mm³ at -600 HU, which is ground glass, and 39 mm³ at 0 HU, which is not.
    assert findings.lesion_mean_hu == pytest.approx(-600 * 40 / 79)
    assert findings.ground_glass_percent == pytest.approx(100 * 40 / 79)


def test_the_most_affected_slice_counts_from_one(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of())
    assert (findings.slice_count, findings.slices_with_lesion, findings.most_affected_slice) == (4, 2, 2)
    assert findings.highest_probability == pytest.approx(0.9)


def test_a_volume_without_lesion(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of(), np.zeros(SHAPE, np.float32))
    assert (findings.lesion_ml, findings.lesion_voxels, findings.lesion_count) == (0.0, 0, 0)
    assert (findings.largest_lesion_ml, findings.most_affected_slice, findings.slices_with_lesion) == (0.0, None, 0)
    assert (findings.lesion_mean_hu, findings.ground_glass_percent) == (None, None)
    assert (findings.lesion_percent_of_lung, findings.severity_grade, findings.severity_span) == (0.0, 0, "none")


def test_a_network_without_lung_tells_no_lung(tmp_path: Path) -> None:
    findings = measured(tmp_path, None, volume_of())
    assert (findings.lung_ml, findings.lung_voxels, findings.lesion_percent_of_lung) == (None, None, None)
    assert (findings.right, findings.left, findings.severity_grade) == (None, None, None)
    assert findings.lesion_ml == pytest.approx(0.079)


def test_a_volume_in_which_no_lung_was_found(tmp_path: Path) -> None:
    nothing = np.zeros(SHAPE, np.float32)
    findings = measured(tmp_path, nothing, volume_of(), nothing)
    assert (findings.lung_ml, findings.lesion_percent_of_lung, findings.severity_grade) == (0.0, None, None)
    assert (findings.right, findings.left) == (None, None)


def test_sides_are_not_told_where_the_file_does_not(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs(), volume_of(sides_known=False))
    assert (findings.right, findings.left) == (None, None)
    assert findings.lung_ml == pytest.approx(7.0)


def test_lesions_are_a_part_of_the_lung(tmp_path: Path) -> None:
    # Consolidation that the network takes for chest wall: the lung has a hole of 20 pixels there.
    lung = two_lungs()
    lung[1, 12:16, 10:15] = 0.0
    findings = measured(tmp_path, lung, volume_of())
    assert findings.lung_voxels == 2800
    assert findings.right is not None
    assert findings.right.lung_px == 1600


def test_slices_beyond_the_lungs_do_not_hinder(tmp_path: Path) -> None:
    findings = measured(tmp_path, two_lungs((1, 2)), volume_of())
    assert findings.lung_ml == pytest.approx(700 * 5 / 1000)
    assert findings.right is not None
    assert findings.right.lung_px == 800


def test_a_row_of_a_table_has_every_figure_by_name(tmp_path: Path) -> None:
    row = measured(tmp_path, two_lungs(), volume_of()).as_row()
    assert "right" not in row
    assert (row["right_lesion_px"], row["left_lung_px"]) == (30, 1200)
    unknown = measured(tmp_path / "other", None, volume_of()).as_row()
    assert list(unknown) == list(row)
    assert unknown["right_lesion_px"] is None


def test_a_row_of_a_slice_has_every_figure_by_name(tmp_path: Path) -> None:
    told = by_hand(volume_of(), tmp_path, LESION, two_lungs()).measured.rows[1].as_dict()
    untold = by_hand(volume_of(), tmp_path / "other", LESION).measured.rows[1].as_dict()
    assert list(told) == list(untold)
    assert (told["slice"], told["lesion_area_px"], told["right_lesion_percent_of_lung"]) == (2, 20, 5.0)
    assert untold["right_lung_px"] is None
