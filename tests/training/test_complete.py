from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.drawn import write_manifest, write_png
from training.complete import complete_manifest, main
from training.data.dataset import read_manifest, read_sample

BOX = (slice(8, 24), slice(6, 20))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A training patient with lungs on the middle one of three slices, one without any, and one that validates."""
    image, lung = np.full((32, 32), 200, np.uint8), np.zeros((32, 32), np.uint8)
    image[BOX], lung[BOX] = 60, 255
    files = {name: write_png(tmp_path / f"{name}.png", pixels) for name, pixels in (("image", image), ("lung", lung))}
    none = write_png(tmp_path / "none.png", np.zeros((32, 32), np.uint8))
    lines: list[dict[str, object]] = [
        {
            "image": files["image"],
            "mask": none,
            "lung": files["lung"] if number == 1 and patient != "p2" else "",
            "source": "a",
            "patient": patient,
            "slice": number,
            "split": "val" if patient == "p3" else "train",
        }
        for patient in ("p1", "p2", "p3")
        for number in range(3)
    ]
    return write_manifest(tmp_path / "index.csv", lines)


def test_slices_beside_drawn_lungs_get_masks(manifest: Path, tmp_path: Path) -> None:
    rows = read_manifest(complete_manifest(manifest, tmp_path / "out"))
    assert [(row.patient, row.slice_index, row.split) for row in rows] == [("p1", 0, "train"), ("p1", 2, "train")]
    for row in rows:
        sample = read_sample(row)
        assert sample.lung is not None
        assert (sample.lung[BOX] == 255).all()
        assert np.count_nonzero(sample.lung == 255) == sample.lung[BOX].size


def test_it_does_not_write_over_masks(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--manifest", str(manifest), "--out", str(tmp_path / "out")]
    main(command)
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 1
    assert "holds labels already" in capsys.readouterr().err


def test_it_refuses_a_manifest_in_which_all_lungs_are_drawn(manifest: Path, tmp_path: Path) -> None:
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0], *(line for line in lines if ",a,p2," in line)]) + "\n")
    with pytest.raises(ValueError, match="no training slice without lung mask"):
        complete_manifest(manifest, tmp_path / "out")


def test_scans_of_one_patient_are_kept_apart(manifest: Path, tmp_path: Path) -> None:
    lines = manifest.read_text().splitlines()
    header, first = lines[0], [line for line in lines if ",a,p1," in line]
    whole = [f"{line},{volume}" for volume in ("one", "two") for line in first]
    manifest.write_text("\n".join([f"{header},volume", *whole]) + "\n")
    rows = read_manifest(complete_manifest(manifest, tmp_path / "out"))
    assert [row.slice_index for row in rows] == [0, 2, 0, 2]
    assert len({row.lung for row in rows}) == 4
    assert all((np.asarray(read_sample(row).lung)[BOX] == 255).all() for row in rows)
