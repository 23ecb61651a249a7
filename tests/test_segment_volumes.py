from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from model.__main__ import main
from model.export.names import CSV, JSON, MASK, MONTAGE, PROBABILITY, REPORT, SEG
from tests.volume.written import write_series
from tests.webapp.scans import hounsfield, nifti, zipped

EVERYTHING = {MASK, PROBABILITY, MONTAGE, REPORT, CSV, JSON}


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A zip file with a series of three slices, the second of which shows lesions."""
    sources = write_series(tmp_path / "dicom", hounsfield("none", "many", "none"))
    path = tmp_path / "series.zip"
    path.write_bytes(zipped({f"a/b/{source.name}": source.path.read_bytes() for source in sources}))
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def report_text(path: Path) -> str:
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed")
    return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True).stdout


def test_a_series_and_a_volume_are_written_with_all_that_is_known(series: Path, tmp_path: Path) -> None:
    volume, out = tmp_path / "volume.nii.gz", tmp_path / "out"
    volume.write_bytes(gzip.compress(nifti("none", "many")))
    assert main(["segment", str(series), str(volume), "--out", str(out)]) == 0
    assert {file.name for file in out.iterdir()} == {"series", "volume", "volumes.csv"}
    assert {file.name for file in (out / "series").iterdir()} == EVERYTHING | {SEG}
    assert {file.name for file in (out / "volume").iterdir()} == EVERYTHING

    rows = read_rows(out / "volumes.csv")
    assert [row["name"] for row in rows] == ["series", "volume"]
    slices = read_rows(out / "series" / CSV)
    assert [row["image_number"] for row in slices] == ["1", "2", "3"]
    assert [float(row["z_mm"]) for row in slices] == [100.0, 104.0, 108.0]
    told = json.loads((out / "series" / JSON).read_text())
    mask = np.asarray(nibabel.load(out / "series" / MASK).dataobj)
    assert mask.sum() == told["volume"]["lesion_voxels"] == int(rows[0]["lesion_voxels"]) > 0
    assert [int(row["lesion_area_px"]) for row in slices] == mask.sum(axis=(0, 1)).tolist()
    seg = dcmread(out / "series" / SEG)
    assert seg.pixel_array.sum() == mask.sum()


def test_a_volume_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    (tmp_path / "volume.nii.gz").write_bytes(nifti("one"))
    (tmp_path / "other").write_bytes(gzip.compress(nifti("one")))
    inputs = [str(tmp_path / name) for name in ("volume.nii.gz", "other")]
    assert main(["segment", *inputs, "--out", str(tmp_path / "out")]) == 0
    assert [row["name"] for row in read_rows(tmp_path / "out" / "volumes.csv")] == ["volume", "other"]


def test_a_folder_of_a_series_is_one_volume(series: Path, tmp_path: Path) -> None:
    assert main(["segment", str(tmp_path / "dicom"), "--out", str(tmp_path / "out")]) == 0
    (row,) = read_rows(tmp_path / "out" / "volumes.csv")
    assert (row["name"], row["slice_count"]) == ("dicom", "3")


@pytest.mark.parametrize("given", ["..", ".", "../dicom"])
def test_nothing_is_written_outside_of_the_folder(
    given: str, series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "dicom" / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside if given == ".." else tmp_path / "dicom")
    assert main(["segment", given, "--out", str(tmp_path / "a" / "out")]) == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    assert {path.name for path in (tmp_path / "a" / "out").iterdir()} == {"dicom", "volumes.csv"}


def test_an_input_may_be_called_like_a_table(series: Path, tmp_path: Path) -> None:
    series.rename(tmp_path / "volumes.csv.zip")
    assert main(["segment", str(tmp_path / "volumes.csv.zip"), "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"volumes.csv-2", "volumes.csv"}


def test_a_dicom_seg_of_an_earlier_run_is_removed(series: Path, tmp_path: Path) -> None:
    (tmp_path / "series.nii").write_bytes(nifti("one"))
    assert main(["segment", str(series), "--out", str(tmp_path / "out")]) == 0
    assert main(["segment", str(tmp_path / "series.nii"), "--out", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "series" / SEG).exists()


def test_overlays_of_an_earlier_longer_run_are_removed(series: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "series" / "overlay").mkdir(parents=True)
    for name in ("0009.png", "mine.png"):
        (out / "series" / "overlay" / name).write_bytes(b"of an earlier run")
    assert main(["segment", str(series), "--out", str(out), "--overlays"]) == 0
    names = sorted(file.name for file in (out / "series" / "overlay").iterdir())
    assert names == ["0001.png", "0002.png", "0003.png", "mine.png"]


def test_overlays_are_written_where_they_are_asked_for(series: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(series), "--out", str(out), "--overlays"]) == 0
    assert (out / "series" / "overlay").is_dir()
    assert main(["segment", str(series), "--out", str(out)]) == 0
    assert not (out / "series" / "overlay").exists()


def test_the_patient_is_named_when_asked_for(series: Path, tmp_path: Path) -> None:
    assert main(["segment", str(series), "--out", str(tmp_path / "named"), "--patient-name"]) == 0
    assert main(["segment", str(series), "--out", str(tmp_path / "plain")]) == 0
    for out in ("named", "plain"):
        assert b"Doe" not in b"".join(file.read_bytes() for file in (tmp_path / out / "series").glob("measurements.*"))
    named, plain = (report_text(tmp_path / out / "series" / REPORT) for out in ("named", "plain"))
    titles = [[line.strip() for line in text.splitlines()] for text in (named, plain)]
    assert "Doe" in named and "series" in titles[0]
    assert "Doe" not in plain and "series" not in titles[1]
    assert re.search(r"Read on 20\d\d-\d\d-\d\d", plain)


def test_a_bad_volume_does_not_stop_the_others(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.nii"
    bad.write_bytes(nifti("one")[:5000])
    assert main(["segment", str(bad), str(series), "--out", str(tmp_path / "out")]) == 1
    assert "bad.nii: By its header" in capsys.readouterr().err
    assert [row["name"] for row in read_rows(tmp_path / "out" / "volumes.csv")] == ["series"]
