"""Manifest -> patient split -> batches. Sizes and ranges come from model.preprocess, never from here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from model.preprocess import preprocess, preprocess_mask
from training.data.augment import Augmentation, apply, draw
from training.data.mixture import Mixture
from training.data.sample import UNKNOWN, Sample
from training.data.strokes import ByteImage
from training.data.tables import read_table

DATA_FOLDER = Path(os.environ.get("GROUNDGLASS_DATA", "../shared/data"))
"""Where the scans lie; they are never part of the project."""

MANIFEST = DATA_FOLDER / "ct-lesions" / "index.csv"
"""Of the scans with masks, by which networks are trained and measured unless another is named."""

COLUMNS = ("image", "mask", "lung", "source", "patient", "slice", "split")


def describe_manifest(manifest: Path, data: Path = DATA_FOLDER) -> str:
    """Return a manifest's path as reports state it: relative to the folder of the scans, else as it was given."""
    whole, folder = manifest.resolve(), data.resolve()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else manifest.as_posix()


@dataclass(frozen=True)
class Row:
    """One slice of a manifest. `lung` is None where no lung mask was drawn.

    `volume` tells the scans of one patient apart; it comes from a column that a manifest may lack.
    """

    image: Path
    mask: Path
    lung: Path | None
    source: str
    patient: str
    slice_index: int
    split: str
    volume: str = ""

    @property
    def scan(self) -> tuple[str, str, str]:
        """What slices of one scan have in common."""
        return self.source, self.patient, self.volume


def read_manifest(manifest: Path) -> list[Row]:
    """Read a CSV with the columns of COLUMNS; paths are relative to its folder.

    Raises
    ------
    FileNotFoundError : the manifest does not exist.
    ValueError : a column is missing, or one patient is in more than one split.
    """
    rows = [_read_row(manifest.parent, line) for line in read_table(manifest, COLUMNS)]
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
        volume=line.get("volume", ""),
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


def read_scans(rows: Sequence[Row]) -> list[Sample]:
    """Read the slices of whole scans, each with its neighbours up to two rows away, in the order of the rows.

    Raises
    ------
    ValueError : a mask has another height or width than its slice.
    """
    plain = [read_sample(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda number: (rows[number].scan, rows[number].slice_index))
    found = list(plain)
    for place, number in enumerate(order):
        around = [order[other] for other in range(max(0, place - 2), min(len(order), place + 3)) if other != place]
        beside = [plain[other] for other in around if rows[other].scan == rows[number].scan]
        found[number] = replace(plain[number], beside=tuple(beside))
    return found


def encode(sample: Sample, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bring a sample to network input and truth.

    Returns
    -------
    (size, size, 1) float32 in 0.0 ... 1.0, and (size, size, 4) float32, all 0.0 or 1.0: lesion, lung, and whether each
    of the two is known there. Around a slice that is not square, both are known to be absent.
    """
    truths = [_encode_mask(mask, sample.image.shape, size) for mask in (sample.lesion, sample.lung)]
    masks, known = zip(*truths, strict=True)
    return preprocess(sample.image, size=size), np.concatenate([*masks, *known], axis=-1)


def _encode_mask(
    mask: ByteImage | None, shape: tuple[int, ...], size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (size, size, 1) foreground and (size, size, 1) whether it is known."""
    if mask is None:
        nothing = np.zeros((size, size, 1), np.float32)
        return nothing, nothing
    unknown = mask == UNKNOWN
    return preprocess_mask((mask > 0) & ~unknown, size=size), 1.0 - preprocess_mask(unknown, size=size)


class SliceBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (x, y) as `encode` gives them, stacked: (N, size, size, 1) and (N, size, size, 4).

    With `seed`, slices are shuffled and augmented by generators made from (seed, epoch, position): the same
    epoch gives the same batches after an interruption. Without it, every slice comes once, in order, as it is;
    a last batch may then be smaller.

    mixture : how many slices of each part of `samples` an epoch holds; each slice once unless given. For training.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        size: int,
        batch_size: int,
        seed: int | None = None,
        epoch: int = 0,
        mixture: Mixture | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__(workers=1)
        self.samples, self.size, self.batch_size, self.seed, self.epoch = samples, size, batch_size, seed, epoch
        self.mixture = mixture or Mixture((len(samples),), (len(samples),))
        self.augmentation = augmentation or Augmentation()

    @property
    def trains(self) -> bool:
        """Whether slices are shuffled and augmented."""
        return self.seed is not None

    def __len__(self) -> int:
        full, rest = divmod(self.mixture.total, self.batch_size)
        # While training, a small last batch would give its few slices a full step.
        keep_rest = rest and (not self.trains or full == 0)
        return full + bool(keep_rest)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        encoded = [self.read(place) for place in self.places(index)]
        return np.stack([x for x, _ in encoded]), np.stack([y for _, y in encoded])

    def places(self, index: int) -> range:
        """Return which places of the epoch a batch holds."""
        return range(index * self.batch_size, min((index + 1) * self.batch_size, self.mixture.total))

    def read(self, place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the slice at a place of the epoch, as `encode` gives it."""
        return encode(self._sample(place), self.size)

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's order and augmentation."""
        self.epoch += 1

    def _sample(self, place: int) -> Sample:
        if self.seed is None:
            return self.samples[place]
        position = int(self._order()[place])
        # The place belongs to the generator as well: a small part comes several times in an epoch.
        rng = np.random.default_rng([self.seed, self.epoch, place])
        return apply(self.samples[position], draw(rng, self.augmentation), donor=self._donor(position, rng))

    def _donor(self, position: int, rng: np.random.Generator) -> Sample | None:
        """Draw a labelled slice whose lesions may be grafted; to labelled slices only, since those have one window."""
        labelled = self.mixture.sizes[0]
        return self.samples[int(rng.integers(labelled))] if position < labelled else None

    def _order(self) -> NDArray[np.int64]:
        return self.mixture.order(np.random.default_rng([self.seed or 0, self.epoch]))
