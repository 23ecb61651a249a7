"""A folder of frames/ and masks/ through the command line of training.prepare, and options that do not agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.drawn import write_png
from training.data.dataset import read_manifest, read_sample
from training.prepare import main


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder with two pictures of 6×9 in frames/, and their masks in masks/."""
    mask = np.zeros((6, 9), np.uint8)
    mask[1, :4] = 255
    for number in (1, 2):
        write_png(tmp_path / "frames" / f"f{number}.png", np.full((6, 9), 50 * number, np.uint8))
        write_png(tmp_path / "masks" / f"f{number}.png", mask)
    return tmp_path


def run_frames(folder: Path, *more: str) -> list[str]:
    """Prepare a folder of frames/ and masks/; return the names of the slices."""
    options = ["--out", str(folder / "out"), "--source", "there", "--validation-share", "0", *more]
    main(["pictures", "--folder", str(folder), *options])
    return [row.image.name for row in read_manifest(folder / "out" / "index.csv")]


def test_frames_and_masks_are_paired_by_name(frames: Path) -> None:
    assert run_frames(frames) == ["f1.png", "f2.png"]
    sample = read_sample(read_manifest(frames / "out" / "index.csv")[1])
    assert np.array_equal(sample.image, np.full((6, 9), 100, np.uint8))
    assert np.count_nonzero(sample.lesion) == 4


@pytest.fixture
def orphans(frames: Path) -> Path:
    """Frames without a mask, and a mask without a frame, though they are as many and sort alike."""
    for name in ("frames/f3.png", "frames/f5.png", "masks/f4.png"):
        write_png(frames / name, np.zeros((6, 9), np.uint8))
    return frames


def test_all_orphans_are_listed_at_once(orphans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_frames(orphans)
    assert stopped.value.code == 1
    assert not (orphans / "out").exists()
    assert capsys.readouterr().err == (
        f"2 files have no mask in {orphans}/masks: {orphans}/frames/f3.png, {orphans}/frames/f5.png; "
        f"1 file has no scan in {orphans}/frames: {orphans}/masks/f4.png. "
        "Rename, add or remove files, or leave them out by --skip-orphans\n"
    )


def test_orphans_may_be_left_out_but_are_named(orphans: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run_frames(orphans, "--skip-orphans") == ["f1.png", "f2.png"]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [name in " ".join(warnings) for name in ("f1", "f2", "f3", "f4", "f5")] == [False, False, True, True, True]
    assert len(warnings) == 2


def test_orphans_alone_are_no_data(frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        (frames / "masks" / f"f{number}.png").rename(frames / "masks" / f"f{number}_mask.png")
    with pytest.raises(SystemExit):
        run_frames(frames, "--skip-orphans")
    assert "2 files have no mask in" in capsys.readouterr().err


def test_pictures_may_be_said_to_be_of_one_patient_each(frames: Path) -> None:
    run_frames(frames, "--validation-share", "0.5", "--each-picture-a-patient")
    rows = read_manifest(frames / "out" / "index.csv")
    assert sorted(row.split for row in rows) == ["train", "val"]
    assert [row.patient for row in rows] == ["f1", "f2"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["volumes", "--scans", "a"], "--scans and --masks are needed"),
        (["pictures", "--masks", "a"], "--scans and --masks are needed, or --folder"),
        (["pictures", "--folder", "a", "--masks", "b"], "--folder stands for --scans and --masks"),
        (["volumes", "--scans", "a", "--masks", "b", "--crop-lungs", "5"], "--crop-lungs needs lung masks"),
        (["pictures", "--folder", "a"], "which pictures are of one patient?"),
        (["pictures", "--folder", "a", "--validation-share", "0.1"], "which pictures are of one patient?"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--out", "out", "--source", "here"])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
