from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from model.export.tables import as_csv, as_json
from model.volume.segment import VolumeSegmentation
from tests.export.test_pdf import segmentation_of
from tests.volume.written import by_hand, chest, drawn_volume


@pytest.fixture
def segmentation(tmp_path: Path) -> VolumeSegmentation:
    """Four slices with 240 pixels of either lung; in the third, 64 of the right are lesion."""
    return segmentation_of(tmp_path)


def test_json_has_the_volume_its_slices_and_the_model(segmentation: VolumeSegmentation) -> None:
    told = json.loads(as_json(segmentation))
    assert set(told) == {
        "volume", "slices", "model", "quality", "flip_dice", "recognition", "notes", "notice",
    }  # fmt: skip
    assert told["model"] == {"id": "tested-1", "sha256": "ab" * 32}
    # 64 pixels of 6 mm², 4 mm high.
    assert told["volume"]["lesion_ml"] == pytest.approx(1.536)
    assert told["volume"]["right"]["lesion_px"] == 64
    assert [row["slice"] for row in told["slices"]] == [1, 2, 3, 4]
    assert [row["lesion_area_px"] for row in told["slices"]] == [0, 0, 64, 0]


def test_unknown_figures_are_null_in_json_and_never_nan(tmp_path: Path) -> None:
    nothing = np.zeros((4, 40, 48), np.float32)
    text = as_json(by_hand(drawn_volume(chest(), affine=None), tmp_path, nothing))
    assert "NaN" not in text
    assert json.loads(text)["volume"]["lesion_ml"] is None


def test_csv_has_a_row_for_each_slice(segmentation: VolumeSegmentation) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(segmentation), newline="")))
    assert [row["slice"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[2]["lesion_area_px"] == rows[2]["right_lesion_px"] == "64"
    assert rows[2]["left_lesion_px"] == "0"
    # 64 pixels of 6 mm².
    assert float(rows[2]["lesion_area_mm2"]) == pytest.approx(384.0)


def test_unknown_figures_are_empty_in_csv(tmp_path: Path) -> None:
    nothing = np.zeros((4, 40, 48), np.float32)
    rows = list(csv.DictReader(io.StringIO(as_csv(by_hand(drawn_volume(chest(), affine=None), tmp_path, nothing)))))
    assert rows[0]["lesion_area_mm2"] == rows[0]["lung_area_px"] == rows[0]["right_lung_px"] == ""
