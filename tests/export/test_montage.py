from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.export.montage import (
    CELL_PX,
    LEGEND_PX,
    key_slices,
    montage_png,
    slice_overlay,
    slice_overlay_png,
)
from model.recognise.judge import Recognition
from model.volume.segment import VolumeSegmentation
from model.warning import label_rows
from tests.volume.written import AFFINE, Affine, by_hand, drawn_volume


def segmentation_of(folder: Path, areas: list[int], *, height: int = 40, width: int = 48) -> VolumeSegmentation:
    """As many slices as areas, each with a lesion of so many pixels in its first row."""
    lesion = np.zeros((len(areas), height, width), np.float32)
    for number, area in enumerate(areas):
        lesion[number, 0, :area] = 0.9
    gray = np.full(lesion.shape, -500.0, np.float32)
    return by_hand(drawn_volume(gray), folder, lesion)


def picture_of(
    segmentation: VolumeSegmentation, *, sides_known: bool = False, affine: Affine | None = None, threshold: float = 0.5
) -> NDArray[np.uint8]:
    volume = drawn_volume(np.zeros((1, 40, 48), np.float32), sides_known=sides_known, affine=affine)
    return read(montage_png(segmentation.files, segmentation.measured.rows, threshold=threshold, volume=volume))


def read(png: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize(("slices", "lines"), [(1, 1), (3, 1), (4, 2), (6, 2), (40, 2)])
def test_it_is_three_cells_wide(slices: int, lines: int, tmp_path: Path) -> None:
    assert picture_of(segmentation_of(tmp_path, [1] * slices)).shape == (lines * CELL_PX + LEGEND_PX, 3 * CELL_PX, 3)


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
    assert column[270:CELL_PX].max() == 0


def test_colours_are_those_of_the_overlay(tmp_path: Path) -> None:
    # viridis at 0.9 is green and yellow: in OpenCV's order, blue first, green and red are larger than blue.
    picture = picture_of(segmentation_of(tmp_path, [48], height=48, width=48))
    blue, green, red = picture[2, CELL_PX // 2].astype(int)
    assert green > blue
    assert red > blue


def changed_by_sides(segmentation: VolumeSegmentation) -> NDArray[np.bool_]:
    return np.asarray(np.any(picture_of(segmentation, sides_known=True) != picture_of(segmentation), axis=-1), np.bool_)


def test_each_cell_has_its_sides_at_its_edges_where_they_are_known(tmp_path: Path) -> None:
    changed = changed_by_sides(segmentation_of(tmp_path, [0, 3, 0, 9]))
    for number in range(4):
        top, left = CELL_PX * (number // 3), CELL_PX * (number % 3)
        rows, columns = np.nonzero(changed[top : top + CELL_PX, left : left + CELL_PX])
        assert np.abs(rows - CELL_PX // 2).max() < 30
        assert set(columns // 40) == {0, CELL_PX // 40 - 1}
    # No letters in the cells that have no slice.
    assert not changed[CELL_PX:-LEGEND_PX, CELL_PX:].any()


def test_the_letter_on_the_left_is_r(tmp_path: Path) -> None:
    picture = picture_of(segmentation_of(tmp_path, [0], height=40, width=10), sides_known=True)
    # In the black beside a narrow slice: R has a bowl at its top right, L has nothing there but much at its foot.
    middle = slice(CELL_PX // 2 - 20, CELL_PX // 2 + 20)
    shapes = [picture[middle, :40, 0] > 128, picture[middle, CELL_PX - 40 : CELL_PX, 0] > 128]
    tops = [np.count_nonzero(shape[np.flatnonzero(shape.any(axis=1))[:4]]) for shape in shapes]
    assert tops[0] > 2 * tops[1] > 0


def test_pixels_that_are_not_square_are_shown_in_their_proportions(tmp_path: Path) -> None:
    # 40 rows of 2 mm and 48 columns of 3 mm: 80 mm high, 144 mm wide.
    picture = picture_of(segmentation_of(tmp_path, [0]), affine=AFFINE)[:CELL_PX, :CELL_PX]
    rows = np.flatnonzero(picture[:, CELL_PX // 2].any(axis=-1))
    assert rows.size == pytest.approx(CELL_PX * 80 / 144, abs=1)


def test_the_legend_says_which_sides_are_unknown(tmp_path: Path) -> None:
    changed = changed_by_sides(segmentation_of(tmp_path, [0]))[CELL_PX:]
    assert np.nonzero(changed)[1].min() > 2 * CELL_PX


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.99])
def test_one_legend_has_the_colours_and_the_threshold(threshold: float, tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path, [3, 3])
    legend = picture_of(segmentation, threshold=threshold)[CELL_PX:, :, ::-1].astype(int)
    bar = legend[40, CELL_PX + 4 : 2 * CELL_PX - 4]
    # viridis goes from dark violet to yellow; the mark of the threshold is light gray.
    assert (bar[0, 2] > bar[0, 1], bar[-1, 1] > bar[-1, 2]) == (True, True)
    mark = np.flatnonzero(bar.min(axis=-1) > 180)
    assert mark.size > 0
    assert (mark.mean() + 4) / CELL_PX == pytest.approx(threshold, abs=0.005)


def test_pictures_that_share_a_legend_have_no_bar(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path, [0], height=200, width=200)
    image = slice_overlay(segmentation.files, 0, 0.5)
    assert np.ptp(image.reshape(-1, 3), axis=0).max() == 0


def test_a_picture_to_be_kept_has_bar_and_sides(tmp_path: Path) -> None:
    files = segmentation_of(tmp_path, [0], height=200, width=200).files
    plain, marked = (read(slice_overlay_png(files, 0, 0.5, sides_known=known)) for known in (False, True))
    assert np.ptp(plain[120:, 140:].reshape(-1, 3), axis=0).min() > 100
    rows, columns = np.nonzero(np.any(plain != marked, axis=-1))
    assert set(columns // 25) == {0, 7}
    assert np.abs(rows - 100).max() < 25


def test_of_something_refused_the_warning_stands_above_the_slices(tmp_path: Path) -> None:
    segmentation = segmentation_of(tmp_path, [4, 9])
    rows, volume = segmentation.measured.rows, drawn_volume(np.zeros((2, 40, 48), np.float32))
    refused = Recognition("head CT", True, "This does not look like a chest CT.")
    plain, warned = (
        read(montage_png(segmentation.files, rows, threshold=0.5, volume=volume, recognition=recognition))
        for recognition in (None, refused)
    )
    above = label_rows(plain.shape, refused)
    assert above > 10
    np.testing.assert_array_equal(warned[above:], plain)
    assert warned[:above].max() > 200
