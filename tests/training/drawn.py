"""A drawn data set: small slices with a bright lesion in a gray lung, written as the manifest of training.prepare."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from training.data.sample import Sample
from training.data.strokes import ByteImage
from training.prepare import COLUMNS


def draw_sample(number: int, *, size: int = 64, with_lung: bool = True) -> Sample:
    """A slice whose lesion lies elsewhere for each number."""
    lung = np.zeros((size, size), np.uint8)
    lung[size // 8 : -size // 8, size // 8 : -size // 8] = 255
    lesion = np.zeros_like(lung)
    top, left = 10 + 3 * (number % 5), 12 + 5 * (number % 3)
    lesion[top : top + size // 4, left : left + size // 3] = 255
    image = np.where(lesion > 0, 200, np.where(lung > 0, 70, 140)).astype(np.uint8)
    return Sample(image, lesion, lung if with_lung else None)


def write_png(file: Path, image: ByteImage) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(cv2.imencode(".png", image)[1]))
    return file.name


def write_data(folder: Path, *, train: int = 4, val: int = 2) -> Path:
    """Write `train` and `val` slices, two to a patient; every third has no lung mask. Return the manifest."""
    lines = [_write_line(folder, number, "train" if number < train else "val") for number in range(train + val)]
    return write_manifest(folder / "index.csv", lines)


def write_manifest(manifest: Path, lines: list[dict[str, object]]) -> Path:
    with manifest.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(lines)
    return manifest


def _write_line(folder: Path, number: int, split: str) -> dict[str, object]:
    sample = draw_sample(number, with_lung=number % 3 != 2)
    return {
        "image": write_png(folder / f"{number}_image.png", sample.image),
        "mask": write_png(folder / f"{number}_mask.png", sample.lesion),
        "lung": "" if sample.lung is None else write_png(folder / f"{number}_lung.png", sample.lung),
        "source": "drawn",
        "patient": f"{split}{number // 2}",
        "volume": f"{split}{number // 2}",
        "slice": number,
        "lesion_px": int(np.count_nonzero(sample.lesion)),
        "mask_resolution": 64,
        "split": split,
    }
