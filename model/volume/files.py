"""The slices of a volume that was read, as files in a folder: memory stays that of one slice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.errors import StorageError
from model.findings import Mask, lung_mask
from model.png import encode_png
from model.segment import Segmentation
from model.steps import first_step, to_probability, to_steps

ByteImage = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

GRAY, LESION, LUNG = "gray", "lesion", "lung"


class SliceFiles:
    """gray/, lesion/ and lung/ of a folder, with a file for each slice, counted from 0: a PNG, which browsers read.

    What is deleted soon can be kept as it lies in memory instead (`plain`), in four times the room and a tenth of the
    time.

    gray : 8 bit, the slice as displayed. lesion : 16 bit, the probability, 65535 = 1.0. lung : 8 bit, 255 where the
    lung's probability reaches its threshold; missing where the network tells no lung.
    """

    def __init__(self, folder: Path, *, plain: bool = False) -> None:
        self.folder, self._plain = folder, plain

    def write(self, number: int, segmentation: Segmentation) -> None:
        """Keep a slice.

        Raises
        ------
        StorageError : the disk is full or cannot be written.
        """
        self._save(GRAY, number, segmentation.ct_slice.as_bytes())
        if segmentation.lung_probability is not None:
            inside = lung_mask(segmentation.lung_probability, np.zeros(segmentation.ct_slice.shape, np.bool_))
            self._save(LUNG, number, inside.astype(np.uint8) * 255)
        self._save(LESION, number, to_steps(segmentation.lesion_probability, segmentation.findings.threshold))

    def write_empty(self, number: int, shape: tuple[int, int], *, with_lung: bool) -> None:
        """Keep a slice of which nothing is known as black, without lesion and lung.

        Raises
        ------
        StorageError : the disk is full or cannot be written.
        """
        for kind in (GRAY, LUNG) if with_lung else (GRAY,):
            self._save(kind, number, np.zeros(shape, np.uint8))
        self._save(LESION, number, np.zeros(shape, np.uint16))

    def _save(self, kind: str, number: int, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        path = self._path(kind, number)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(_npy(image) if self._plain else encode_png(image))
        except OSError as exc:
            raise StorageError(f"The slices cannot be kept: {exc.strerror}. Make room, then try again.") from exc

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"{number:05d}{'.npy' if self._plain else '.png'}"

    def gray(self, number: int) -> ByteImage:
        """Return (H, W) uint8, the slice as displayed."""
        return np.asarray(self._load(GRAY, number), np.uint8)

    def steps(self, number: int) -> NDArray[np.uint16]:
        """Return (H, W) uint16, the lesion's probability as it is kept: STEPS = 1.0."""
        return np.asarray(self._load(LESION, number), np.uint16)

    def probability(self, number: int) -> FloatArray:
        """Return (H, W) float32, the lesion's probability in 0.0 ... 1.0, to 1/65535."""
        return to_probability(self.steps(number))

    def lesion(self, number: int, threshold: float) -> Mask:
        """Return (H, W) bool: lesion at a threshold."""
        return self.steps(number) >= first_step(threshold)

    def lung(self, number: int) -> Mask | None:
        """Return (H, W) bool: what the network takes for lung; None where it tells no lung."""
        return self._load(LUNG, number) > 0 if self._path(LUNG, number).exists() else None

    def png(self, kind: str, number: int) -> bytes:
        """Return a slice as PNG: "gray", "lesion" or "lung"."""
        return encode_png(self._load(kind, number)) if self._plain else self._path(kind, number).read_bytes()

    def _load(self, kind: str, number: int) -> NDArray[Any]:
        if self._plain:
            return np.asarray(np.load(self._path(kind, number)))
        image = cv2.imread(str(self._path(kind, number)), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise FileNotFoundError(self._path(kind, number))
        return np.asarray(image)


def _npy(image: NDArray[Any]) -> memoryview:
    # In memory: where the disk is full, NumPy does not tell the reason.
    written = io.BytesIO()
    np.save(written, image)
    return written.getbuffer()
