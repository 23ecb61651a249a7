from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.export.montage import CELL_PX, key_slices, montage_png
from model.volume.segment import VolumeSegmentation
from tests.volume.written import by_hand, drawn_volume


def segmentation_of(folder: Path, areas: list[int], *, height: int = 40, width: int = 48) -> VolumeSegmentation:
    """As many slices as areas, each with a lesion of so many pixels in its first row."""
    lesion = np.zeros((len(areas), height, width), np.float32)
    for number, area in enumerate(areas):
        lesion[number, 0, :area] = 0.9
    gray = np.full(lesion.shape, -500.0, np.float32)
    return by_hand(drawn_volume(gray), folder, lesion)


def picture_of(segmentation: VolumeSegmentation) -> NDArray[np.uint8]:
    png = montage_png(segmentation.files, segmentation.measured.rows, threshold=0.5)
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize(("slices", "lines"), [(1, 1), (3, 1), (4, 2), (6, 2), (40, 2)])
def test_it_is_three_cells_wide(slices: int, lines: int, tmp_path: Path) -> None:
    assert picture_of(segmentation_of(tmp_path, [1] * slices)).shape == (lines * CELL_PX, 3 * CELL_PX, 3)


def test_the_worst_slice_of_each_part_is_shown(tmp_path: Path) -> None:
    # Twelve slices in six parts of two: the larger of each; where both have none, the later, in the middle.
    areas = [0, 0, 3, 4, 9, 1, 2, 2, 0, 5, 0, 0]
    rows = segmentation_of(tmp_path, areas).measured.rows
    assert [row.number for row in key_slices(rows)] == [2, 4, 5, 7, 10, 12]


def test_of_few_slices_all_are_shown(tmp_path: Path) -> None:
    rows = segmentation_of(tmp_path, [0, 3, 0]).measured.rows
    assert [row.number for row in key_slices(rows)] == [1, 2, 3]


def test_a_slice_keeps_its_proportions(tmp_path: Path) -> None:
    # 40 × 80 in a cell of 360: 180 rows, from 90 to 270; above and below is black.
    picture = picture_of(segmentation_of(tmp_path, [0], height=40, width=80))
    column = picture[:, CELL_PX // 2, 0]
    assert column[:90].max() == 0
    assert column[90:270].min() > 100
    assert column[270:].max() == 0


def test_colours_are_those_of_the_overlay(tmp_path: Path) -> None:
    # viridis at 0.9 is green and yellow: in OpenCV's order, blue first, green and red are larger than blue.
    picture = picture_of(segmentation_of(tmp_path, [48], height=48, width=48))
    blue, green, red = picture[2, CELL_PX // 2].astype(int)
    assert green > blue
    assert red > blue
