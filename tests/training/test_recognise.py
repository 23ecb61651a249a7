from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from model.decode.ct import CtSlice
from model.recognise.judge import CHEST, SHIPPED_HEAD, SIDEWAYS, SOFT, UPSIDE_DOWN, load_recogniser
from training.data.dataset import DATA_FOLDER, MANIFEST, read_gray, read_manifest
from training.recognise import (
    fit,
    fitted_examples,
    in_soft_tissue,
    kind_of,
    pictures,
    reported_examples,
    turned,
    varied,
)

PICTURES, SLICES = DATA_FOLDER / "refusal", MANIFEST


def write_pictures(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = [("a", "photograph", "refuse", "fit"), ("b", "CT of a book", "accept", "fit")]
    lines += [("c", "chest CT, narrow", "either", "report"), ("d", "pelvic CT", "refuse", "report")]
    for name, *_ in lines:
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 255, (60, 80), np.uint8))
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("image", "kind", "expect", "use"))
        table.writerows((f"{name}.png", *rest) for name, *rest in lines)
    return folder


def test_what_is_reported_is_never_fitted(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path)
    assert {picture.group for picture in pictures(folder, "fit")} == {"photograph", "CT of a book"}
    fitted = Counter(example.kind for example in fitted_examples(folder, []))
    assert fitted == {"photograph": 3, CHEST: 3, UPSIDE_DOWN: 2, SIDEWAYS: 2}
    assert {example.kind for example in reported_examples(folder, [])} == {SOFT, "abdominal CT"}


@pytest.mark.parametrize(
    ("kind", "expect", "told"),
    [("chest CT, web picture", "accept", CHEST), ("any", "either", SOFT), ("head CT", "refuse", "head CT")],
)
def test_kinds_are_told_by_what_is_expected(kind: str, expect: str, told: str) -> None:
    assert kind_of(kind, expect) == told


def test_turns_are_turns() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    upside, both, left, right = (example.image.tolist() for example in turned(image, "x"))
    assert upside == [[3, 4, 5], [0, 1, 2]]
    assert both == [[5, 4, 3], [2, 1, 0]]
    assert left == [[2, 5], [1, 4], [0, 3]]
    assert right == [[3, 0], [4, 1], [5, 2]]


def test_a_soft_tissue_window_has_black_lungs_and_gray_tissue() -> None:
    # -850 HU, 40 HU and 250 HU in the window that slices are stored in.
    image = np.array([[68, 219, 255]], np.uint8)
    lung, tissue, bone = in_soft_tissue(image, np.random.default_rng(0))[0]
    assert lung == 0
    assert 80 < tissue < bone


def test_a_varied_picture_keeps_most_of_itself() -> None:
    image = np.full((100, 100), 128, np.uint8)
    other = varied(image, np.random.default_rng(1))
    assert 75 <= min(other.shape) <= max(other.shape) <= 100


def test_the_head_is_the_fit_as_one_linear_map() -> None:
    rng = np.random.default_rng(0)
    middles = rng.normal(0.0, 3.0, (3, 40))
    kinds = [str(number % 3) for number in range(90)]
    features = np.stack([middles[int(kind)] + rng.normal(0.0, 1.0, 40) for kind in kinds]).astype(np.float32)
    head = fit(features, kinds, encoder_sha256="abc")
    answers = [head.probabilities(vector) for vector in features]
    assert [max(answer, key=answer.__getitem__) for answer in answers] == kinds
    assert sum(answers[0].values()) == pytest.approx(1.0)


@pytest.mark.skipif(not PICTURES.is_dir(), reason=f"the pictures are not at {PICTURES}")
def test_the_shipped_head_refuses_what_it_must_and_reads_chest_ct() -> None:
    recogniser = load_recogniser()
    refused: dict[bool, list[bool]] = {True: [], False: []}
    for picture in pictures(PICTURES, "report"):
        if picture.kind != SOFT:
            refused[picture.kind == CHEST].append(recogniser.recognise(picture.as_slice()).refused)
    assert np.mean(refused[False]) >= 0.95
    assert np.mean(refused[True]) <= 0.02


def test_the_shipped_head_fits_the_shipped_encoder() -> None:
    assert SHIPPED_HEAD.stat().st_size < 1_000_000
    assert load_recogniser()


@pytest.mark.skipif(not SLICES.is_file(), reason=f"the slices are not at {SLICES}")
def test_validation_slices_are_read() -> None:
    recogniser = load_recogniser()
    rows = [row for row in read_manifest(SLICES) if row.split == "val"][::4]
    assert np.mean([recogniser.recognise(CtSlice(read_gray(row.image), (0.0, 255.0))).refused for row in rows]) <= 0.01
