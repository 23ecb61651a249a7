from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.drawn import write_png
from training import pseudo
from training.data.dataset import read_manifest, read_sample
from training.data.sample import UNKNOWN
from training.learning.teachers import Agreement
from training.pseudo import judge, label_lesion, label_lung, main

WELL, ILL, FAINT = 60, 200, 130


def agreement(lesion: tuple[float, float, float], lung: tuple[float, float, float]) -> Agreement:
    """One pixel, mean, least and highest of each."""
    return Agreement(*(np.array([[pair]], np.float32) for pair in zip(lesion, lung, strict=True)))


SURE_LUNG, NO_LUNG, NOTHING = (0.9, 0.8, 1.0), (0.1, 0.0, 0.2), (0.0, 0.0, 0.1)


@pytest.mark.parametrize(
    ("lung", "expected"),
    [
        (SURE_LUNG, 255),
        ((0.65, 0.4, 1.0), 255),
        ((0.64, 0.6, 0.7), UNKNOWN),
        ((0.9, 0.3, 1.0), UNKNOWN),
        (NO_LUNG, 0),
        ((0.1, 0.0, 0.7), UNKNOWN),
    ],
)
def test_a_pixel_is_lung_or_not_where_all_agree(lung: tuple[float, float, float], expected: int) -> None:
    assert label_lung(agreement(NOTHING, lung))[0, 0] == expected


@pytest.mark.parametrize(
    ("lesion", "lung", "expected"),
    [
        ((0.4, 0.15, 0.9), SURE_LUNG, 255),
        ((0.4, 0.15, 0.9), NO_LUNG, 255),
        ((0.39, 0.3, 0.5), SURE_LUNG, UNKNOWN),
        ((0.9, 0.1, 1.0), SURE_LUNG, UNKNOWN),
        ((0.1, 0.0, 0.35), SURE_LUNG, 0),
        ((0.1, 0.0, 0.35), NO_LUNG, 0),
        ((0.1, 0.0, 0.4), SURE_LUNG, UNKNOWN),
        ((0.1, 0.0, 0.35), (0.5, 0.5, 0.5), UNKNOWN),
    ],
)
def test_a_pixel_is_lesion_sooner_than_it_is_free_of_it(
    lesion: tuple[float, float, float], lung: tuple[float, float, float], expected: int
) -> None:
    asked = agreement(lesion, lung)
    assert label_lesion(asked, label_lung(asked))[0, 0] == expected


def test_between_the_lungs_nobody_knows() -> None:
    lungs = np.zeros((20, 40), np.float32)
    lungs[5:15, 5:15] = lungs[5:15, 25:35] = 1.0
    both = np.stack([np.zeros_like(lungs), lungs], axis=-1)
    asked = Agreement(both, both, both)
    lung = label_lung(asked)
    assert (lung[5:15, 16:24] == UNKNOWN).all()
    assert (lung[:5] == 0).all() and (lung[:, 35:] == 0).all()
    lesion = label_lesion(asked, lung)
    assert np.array_equal(lesion == UNKNOWN, lung == UNKNOWN)
    assert not lesion[lung == 255].any()


def masks(called: int, doubtful: int, lung: int = 1000) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(1, 2000) lesion and lung masks with so many pixels each."""
    lesion, lungs = np.zeros((1, 2000), np.uint8), np.zeros((1, 2000), np.uint8)
    lungs[0, :lung] = 255
    lesion[0, :called] = 255
    lesion[0, called : called + doubtful] = UNKNOWN
    return lesion, lungs


def test_doubt_outside_of_the_lung_does_not_count() -> None:
    lesion, lung = masks(0, 500)
    lung[0, :450] = UNKNOWN
    lesion[0, 455:500] = 0
    assert judge(lesion, lung, unlikely=False) is lesion


@pytest.mark.parametrize(("called", "doubtful"), [(100, 100), (0, 10), (0, 0), (100, 0)])
def test_a_picture_without_much_doubt_is_kept(called: int, doubtful: int) -> None:
    lesion, lung = masks(called, doubtful)
    assert judge(lesion, lung, unlikely=False) is lesion


@pytest.mark.parametrize(("called", "doubtful", "lung"), [(100, 101, 1000), (0, 11, 1000), (0, 0, 0)])
def test_a_picture_of_doubt_or_without_lungs_is_left_out(called: int, doubtful: int, lung: int) -> None:
    assert judge(*masks(called, doubtful, lung), unlikely=False) is None


def test_little_is_taken_for_none_where_lesions_are_not_expected() -> None:
    lesion = judge(*masks(20, 500), unlikely=True)
    assert lesion is not None and not lesion.any()
    many, lung = masks(21, 0)
    assert judge(many, lung, unlikely=True) is many


def answer(image: np.ndarray[Any, Any]) -> Agreement:
    """The lung is what is not 0; bright is lesion, and what lies between is in doubt."""
    lesion = np.where(image == ILL, 1.0, np.where(image == FAINT, 0.25, 0.0))
    both = np.stack([lesion, image > 0], axis=-1).astype(np.float32)
    return Agreement(both, both, both)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pictures in lung gray: ill, a speck, in doubt, well; the manifest."""
    monkeypatch.setattr(pseudo, "load_teachers", lambda weights, sizes: [])
    monkeypatch.setattr(pseudo, "ask", lambda teachers, image: answer(image))
    (tmp_path / "a.h5").write_bytes(b"teacher")
    lines = []
    for name, gray, width, expected, ill in (
        ("ill", ILL, 20, "yes", 1),
        ("speck", ILL, 1, "no", 1),
        ("doubt", FAINT, 20, "yes", 1),
        ("well", ILL, 20, "no", 0),
    ):
        image = np.full((60, 70), WELL, np.uint8)
        image[10:40, 10 : 10 + width] = gray
        write_png(tmp_path / f"{name}.png", image)
        lines.append({"image": f"{name}.png", "source": "web", "series": name, "expected": expected, "infection": ill})
    with (tmp_path / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]))
        table.writeheader()
        table.writerows(lines)
    return tmp_path / "index.csv"


def run(pictures: Path, out: Path, *more: str) -> list[str]:
    main(
        [
            "--weights",
            str(pictures.with_name("a.h5")),
            "--manifest",
            str(pictures),
            "--group",
            "series",
            "--out",
            str(out),
            *more,
        ]
    )
    return [row.patient for row in read_manifest(out / "index.csv")]


def test_it_writes_a_manifest_that_training_reads(pictures: Path, tmp_path: Path) -> None:
    assert run(pictures, tmp_path / "out") == ["ill", "speck", "well"]
    row = read_manifest(tmp_path / "out" / "index.csv")[0]
    assert (row.source, row.split) == ("web", "train")
    sample = read_sample(row)
    assert np.array_equal(sample.lesion == 255, sample.image == ILL)
    assert sample.lung is not None and sample.lung.min() == 255


def test_the_manifest_may_know_more_than_the_teachers(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = run(pictures, out, "--healthy", "infection=0", "--unlikely", "expected=no", "--exclude", "series=ill")
    assert kept == ["speck", "well"]
    for row in read_manifest(out / "index.csv"):
        assert not read_sample(row).lesion.any()


def test_it_says_how_the_labels_were_made(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "out", "--unlikely", "expected=no", "--size", "256")
    made = json.loads((tmp_path / "out" / "labels.json").read_text())
    (teacher,) = made["teachers"]
    assert (teacher["sha256"], teacher["size"]) == (hashlib.sha256(b"teacher").hexdigest(), 256)
    assert made["rules"]["unlikely"] == [{"column": "expected", "value": "no"}]
    assert made["thresholds"]["called"] == pseudo.CALLED


def test_the_surely_healthy_may_be_all_that_is_taken(pictures: Path, tmp_path: Path) -> None:
    assert run(pictures, tmp_path / "out", "--healthy", "infection=0", "--only-healthy") == ["well"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--healthy", "ill=0"], "lacks the columns ill"),
        (["--exclude", "source=web"], "no picture that --healthy, --only-healthy and --exclude leave"),
    ],
)
def test_what_is_wrong_is_said_with_status_1(
    more: list[str], sentence: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        run(pictures, tmp_path / "out", *more)
    assert sentence in capsys.readouterr().err


def test_labels_are_not_overwritten(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(pictures, tmp_path / "out")
    with pytest.raises(SystemExit, match="1"):
        run(pictures, tmp_path / "out")
    assert "holds labels already" in capsys.readouterr().err
