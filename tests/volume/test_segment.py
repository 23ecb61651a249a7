from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.decode.ct import CtSlice
from model.preprocess import WINDOW_HU
from model.volume.segment import segment_volume
from tests.training.stub import FakeEngine
from tests.volume.written import drawn_volume

# Gray 0.5 and 0.8 in the window: what FakeEngine calls lung, and lesion.
LUNG_HU, LESION_HU = -500.0, -50.0


def pixels() -> np.ndarray:
    """(3, 32, 32): lung in the middle of each slice, lesion in the last two."""
    values = np.full((3, 32, 32), -1250.0, np.float32)
    values[:, 4:28, 4:28] = LUNG_HU
    values[1, 8:12, 8:12] = LESION_HU
    values[2, 8:12, 8:14] = LESION_HU
    return values


def test_slices_are_read_in_order_and_kept(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    volume = drawn_volume(pixels(), extents_mm=(4.0, 4.0, 4.0))
    segmentation = segment_volume(volume, FakeEngine(), tmp_path, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [row.findings.lesion_area_px for row in segmentation.measured.rows] == [0, 16, 24]
    assert np.array_equal(segmentation.files.lesion(2, 0.5), pixels()[2] == LESION_HU)
    # 40 pixels of 2 · 3 mm, 4 mm high.
    assert segmentation.measured.findings.lesion_ml == pytest.approx(40 * 6 * 4 / 1000)
    assert segmentation.model == FakeEngine.identity


def test_a_slice_is_asked_for_once(tmp_path: Path) -> None:
    asked: list[int] = []

    def read(number: int) -> CtSlice:
        asked.append(number)
        return CtSlice(pixels()[number], WINDOW_HU, notes=(f"odd: {number % 2}",))

    volume = replace(drawn_volume(pixels()), read=read, notes=("of the volume",))
    segmentation = segment_volume(volume, FakeEngine(), tmp_path)
    assert asked == [0, 1, 2]
    assert segmentation.notes == ("of the volume", "odd: 0", "odd: 1")


def test_the_threshold_is_that_of_the_findings(tmp_path: Path) -> None:
    segmentation = segment_volume(drawn_volume(pixels()), FakeEngine(), tmp_path, threshold=0.3)
    assert segmentation.measured.findings.threshold == 0.3
    assert not segmentation.quality
