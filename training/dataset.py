"""Manifest -> patient split -> batches. Sizes and ranges come from model.preprocess, never from here."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from model.preprocess import preprocess, preprocess_mask
from training.augment import Sample, apply, draw
from training.strokes import ByteImage

DATA_FOLDER = Path(os.environ.get("GROUNDGLASS_DATA", "../shared/data"))
"""Where the scans lie; they are never part of the project."""

COLUMNS = ("image", "mask", "lung", "source", "patient", "slice", "split")


@dataclass(frozen=True)
class Row:
    """One slice of a manifest. `lung` is None where no lung mask was drawn."""

    image: Path
    mask: Path
    lung: Path | None
    source: str
    patient: str
    slice_index: int
    split: str


def read_manifest(manifest: Path) -> list[Row]:
    """Read a CSV with the columns of COLUMNS; paths are relative to its folder.

    Raises
    ------
    FileNotFoundError : the manifest does not exist.
    ValueError : a column is missing, or one patient is in more than one split.
    """
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{manifest} lacks the columns {', '.join(missing)}")
        rows = [_read_row(manifest.parent, line) for line in reader]
    _refuse_leaks(rows)
    return rows


def _read_row(folder: Path, line: dict[str, str]) -> Row:
    return Row(
        image=folder / line["image"],
        mask=folder / line["mask"],
        lung=folder / line["lung"] if line["lung"] else None,
        source=line["source"],
        patient=line["patient"],
        slice_index=int(line["slice"]),
        split=line["split"],
    )


def _refuse_leaks(rows: Sequence[Row]) -> None:
    """Raise where slices of one patient stand on both sides of a split."""
    splits: dict[str, str] = {}
    for row in rows:
        if splits.setdefault(row.patient, row.split) != row.split:
            raise ValueError(f"patient {row.patient} is in split {splits[row.patient]} and in {row.split}")


def read_gray(path: Path) -> ByteImage:
    """Read a picture as (H, W) uint8.

    Raises
    ------
    FileNotFoundError : the file does not exist or is no picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{path} does not exist or is no picture")
    return image.astype(np.uint8)


def read_sample(row: Row) -> Sample:
    """Read slice and masks of one row.

    Raises
    ------
    ValueError : a mask has another height or width than its slice.
    """
    sample = Sample(read_gray(row.image), read_gray(row.mask), read_gray(row.lung) if row.lung else None)
    for mask in (sample.lesion, sample.lung):
        if mask is not None and mask.shape != sample.image.shape:
            raise ValueError(f"{row.image.name}: the mask is {mask.shape}, the slice {sample.image.shape}")
    return sample


def encode(sample: Sample, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bring a sample to network input and truth.

    Returns
    -------
    (size, size, 1) float32 in 0.0 ... 1.0, and (size, size, 3) float32: lesion, lung, lung known (all 0.0 or 1.0).
    """
    lesion = preprocess_mask(sample.lesion, size=size)
    if sample.lung is None:
        unknown = np.zeros_like(lesion)
        return preprocess(sample.image, size=size), np.concatenate([lesion, unknown, unknown], axis=-1)
    lung = preprocess_mask(sample.lung, size=size)
    return preprocess(sample.image, size=size), np.concatenate([lesion, lung, np.ones_like(lesion)], axis=-1)


class SliceBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (x, y) as `encode` gives them, stacked: (N, size, size, 1) and (N, size, size, 3).

    With `seed`, slices are shuffled and augmented by generators made from (seed, epoch, position): the same
    epoch gives the same batches after an interruption. Without it, every slice comes once, in order, as it is;
    a last batch may then be smaller.
    """

    def __init__(
        self, samples: Sequence[Sample], *, size: int, batch_size: int, seed: int | None = None, epoch: int = 0
    ) -> None:
        super().__init__(workers=1)
        self.samples, self.size, self.batch_size, self.seed, self.epoch = samples, size, batch_size, seed, epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.samples), self.batch_size)
        # While training, a small last batch would give its few slices a full step.
        keep_rest = rest and (self.seed is None or full == 0)
        return full + bool(keep_rest)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        positions = self._order()[index * self.batch_size : (index + 1) * self.batch_size]
        encoded = [encode(self._sample(int(position)), self.size) for position in positions]
        return np.stack([x for x, _ in encoded]), np.stack([y for _, y in encoded])

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's order and augmentation."""
        self.epoch += 1

    def _order(self) -> NDArray[Any]:
        if self.seed is None:
            return np.arange(len(self.samples))
        return np.random.default_rng([self.seed, self.epoch]).permutation(len(self.samples))

    def _sample(self, position: int) -> Sample:
        sample = self.samples[position]
        if self.seed is None:
            return sample
        return apply(sample, draw(np.random.default_rng([self.seed, self.epoch, position])))
