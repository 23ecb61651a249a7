from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.__main__ import main
from model.card import SHIPPED_WEIGHTS
from model.phantom import EXAMPLES, draw_phantom, phantom_png

HEAVY = ("tensorflow", "keras", "openvino", "cv2", "matplotlib", "numpy")


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ill.png").write_bytes(phantom_png("many"))
    Image.fromarray(draw_phantom(EXAMPLES["none"])).save(folder / "well.jpg", quality=95)
    return folder


def read_table(out: Path) -> list[dict[str, str]]:
    with (out / "measurements.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_writes_three_pictures_and_a_row_for_each_input(slices: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(slices / "ill.png"), str(slices / "well.jpg"), "--out", str(out)]) == 0
    names = {f"{name}_{kind}.png" for name in ("ill", "well") for kind in ("overlay", "mask", "probability")}
    assert {file.name for file in out.iterdir()} == names | {"measurements.csv"}
    ill, well = read_table(out)
    assert ill["input"].endswith("ill.png")
    mask = np.asarray(Image.open(out / "ill_mask.png"))
    assert int(ill["lesion_area_px"]) == np.count_nonzero(mask) > 0
    assert float(well["lesion_percent_of_image"]) < float(ill["lesion_percent_of_image"])
    assert ill["model_id"] == SHIPPED_WEIGHTS.stem
    assert ill["lesion_area_mm2"] == ""


def test_a_folder_gives_its_pictures(slices: Path, tmp_path: Path) -> None:
    (slices / "notes.txt").write_text("not a picture")
    assert main(["segment", str(slices), "--out", str(tmp_path / "out")]) == 0
    assert [row["name"] for row in read_table(tmp_path / "out")] == ["ill", "well"]


def test_bad_inputs_are_named_and_the_others_finish(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slices / "bad.png").write_text("not a picture")
    inputs = [str(slices / name) for name in ("bad.png", "missing.png", "ill.png")]
    assert main(["segment", *inputs, "--out", str(tmp_path / "out")]) == 1
    complaints = capsys.readouterr().err
    assert "bad.png: This file is not a picture that can be read." in complaints
    assert "missing.png: No such file or directory" in complaints
    assert [row["name"] for row in read_table(tmp_path / "out")] == ["ill"]


def test_an_input_that_the_system_refuses_does_not_stop_the_others(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slices / "loop.png").symlink_to(slices / "loop.png")
    too_long = slices / ("n" * 245 + ".png")  # with _overlay.png, longer than file systems take
    too_long.write_bytes(phantom_png("one"))
    inputs = [str(slices / "loop.png"), str(too_long), str(slices / "ill.png" / "x.png"), str(slices / "ill.png")]
    assert main(["segment", *inputs, "--out", str(tmp_path / "out")]) == 1
    complaints = capsys.readouterr().err
    assert all(words in complaints for words in ("loop.png: Too many", "name too long", "Not a directory"))
    assert [row["name"] for row in read_table(tmp_path / "out")] == ["ill"]


def test_no_name_is_a_formula(slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(slices)
    (slices / "=cmd.png").write_bytes(phantom_png("none"))
    assert main(["segment", "=cmd.png", "--out", str(tmp_path / "out")]) == 0
    (row,) = read_table(tmp_path / "out")
    assert (row["input"], row["name"]) == ("'=cmd.png", "'=cmd")


def test_a_folder_without_pictures_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["segment", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 1
    assert "empty: The folder holds no DICOM file, and none that ends in .png" in capsys.readouterr().err


def test_files_of_one_name_do_not_overwrite_each_other(slices: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "ILL.png").write_bytes(phantom_png("none"))
    inputs = [str(slices / "ill.png"), str(other / "ILL.png"), str(slices / "ill.png")]
    assert main(["segment", *inputs, "--out", str(tmp_path / "out")]) == 0
    assert [row["name"] for row in read_table(tmp_path / "out")] == ["ill", "ILL-2", "ill-3"]


def test_the_threshold_is_used(slices: Path, tmp_path: Path) -> None:
    areas = []
    for threshold in ("0.2", "0.8"):
        main(["segment", str(slices / "ill.png"), "--out", str(tmp_path / "out"), "--threshold", threshold])
        (row,) = read_table(tmp_path / "out")
        assert row["threshold"] == threshold
        areas.append(int(row["lesion_area_px"]))
    assert areas[0] > areas[1]


def test_quality_averages_several_looks(slices: Path, tmp_path: Path) -> None:
    rows = []
    for more in ([], ["--quality"]):
        main(["segment", str(slices / "ill.png"), "--out", str(tmp_path / "out"), *more])
        rows += read_table(tmp_path / "out")
    assert [row["quality"] for row in rows] == ["False", "True"]
    assert rows[0]["highest_probability"] != rows[1]["highest_probability"]


def test_several_weights_are_read_as_one_network(slices: Path, tmp_path: Path) -> None:
    shipped = str(SHIPPED_WEIGHTS)
    arguments = ["segment", str(slices / "ill.png"), "--out", str(tmp_path / "out")]
    rows = []
    for more in ([], ["--weights", shipped, shipped]):
        assert main([*arguments, *more]) == 0
        rows += read_table(tmp_path / "out")
    assert rows[1]["model_id"] == "+".join([rows[0]["model_id"]] * 2)
    assert rows[1]["lesion_area_px"] == rows[0]["lesion_area_px"]


@pytest.mark.parametrize("threshold", ["0", "1", "nan", "half", "-0.5"])
def test_a_threshold_out_of_range_is_refused(threshold: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["segment", "a.png", "--out", "out", f"--threshold={threshold}"])
    assert "is not a number above 0 and below 1" in capsys.readouterr().err


def test_missing_weights_end_it_with_status_2(slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = str(tmp_path / "none.xml")
    assert main(["segment", str(slices), "--out", str(tmp_path / "out"), "--weights", weights]) == 2
    assert "none.xml does not exist" in capsys.readouterr().err


def test_help_answers_without_loading_a_framework() -> None:
    program = (
        "import sys, runpy\n"
        "sys.argv = ['model', 'segment', '--help']\n"
        "try: runpy.run_module('model', run_name='__main__')\n"
        f"except SystemExit: print([name for name in {HEAVY} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--threshold" in answer.stdout
    assert answer.stdout.rstrip().endswith("[]")
