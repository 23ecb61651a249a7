"""New lesions: drawn ones made denser or moved into the lungs of another slice, and haze over parts of the lungs.

The labelled scans hold few large, dense or diffuse lesions. All changes keep the masks exact: a lesion that is made
denser covers the same pixels, one that is grafted brings its own mask along, and haze is made from its mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.sample import UNKNOWN, Sample
from training.data.strokes import ByteImage

SOFT_EDGE_PX = 2.0
"""Standard deviation of the blur that softens the edge of a changed lesion, as partial volume does."""


@dataclass(frozen=True)
class Densify:
    """How far lesions are brought towards soft tissue: 0.0 not at all, 1.0 altogether, in patches of `grain_px`."""

    amount: float
    grain_px: float
    seed: int


@dataclass(frozen=True)
class Graft:
    """Where a donor's lesions go: `position` picks one of the lung's pixels, `scale` is of the donor's lesion box."""

    position: float  # 0.0 ... 1.0, along the lung's pixels from the top
    scale: float
    mirror_columns: bool
    mirror_rows: bool


@dataclass(frozen=True)
class Haze:
    """Ground glass by hand: a share of the lung, in patches of `grain_px`, gets brighter by about `amount_gray`."""

    amount_gray: float
    coverage: float
    grain_px: float
    seed: int


def draw_haze(rng: np.random.Generator, faintest_gray: float = 17.0) -> Haze:
    """Draw from `rng`: `faintest_gray` (17 are 100 HU in the window of the labelled scans) to 450 HU.

    It covers 5 to 90 % of the lung.
    """
    return Haze(
        amount_gray=float(rng.uniform(faintest_gray, 76.0)),
        coverage=float(rng.uniform(0.05, 0.9)),
        grain_px=float(rng.uniform(12.0, 60.0)),
        seed=int(rng.integers(2**32)),
    )


def draw_densify(rng: np.random.Generator) -> Densify:
    """Draw how dense from `rng`."""
    return Densify(float(rng.uniform(0.2, 0.95)), float(rng.uniform(4.0, 30.0)), int(rng.integers(2**32)))


def draw_graft(rng: np.random.Generator) -> Graft:
    """Draw a place, a scale and mirrors from `rng`."""
    return Graft(
        position=float(rng.random()),
        scale=float(np.exp(rng.uniform(np.log(0.6), np.log(1.8)))),
        mirror_columns=bool(rng.random() < 0.5),
        mirror_rows=bool(rng.random() < 0.5),
    )


def densify(sample: Sample, choice: Densify) -> Sample:
    """Bring the lesions of a slice towards the gray of soft tissue; nothing gets darker, no mask changes."""
    lesion = sample.lesion == 255
    if not lesion.any():
        return sample
    # Nine in ten pixels of a slice are darker than its soft tissue is bright, in any window.
    tissue = float(np.percentile(sample.image, 90))
    strength = choice.amount * _soft(lesion) * _patches(lesion.shape, choice)
    image = sample.image + strength * np.maximum(0.0, tissue - sample.image)
    return replace(sample, image=np.rint(image).astype(np.uint8))


def haze(sample: Sample, choice: Haze) -> Sample:
    """Lay ground glass over parts of the lungs; the slice comes back unchanged where its lungs are not known."""
    if sample.lung is None or not (sample.lung == 255).any():
        return sample
    lung = sample.lung == 255
    relief = _noise(lung.shape, choice.grain_px, choice.seed)
    mask = lung & (relief >= np.quantile(relief[lung], 1.0 - choice.coverage)) & (sample.lesion != UNKNOWN)
    grain = np.clip(1.0 + 0.2 * _noise(lung.shape, 2.0, choice.seed + 1), 0.2, 1.8)
    image = sample.image + choice.amount_gray * grain * _soft(mask) * lung
    lesion = np.where(mask, np.uint8(255), sample.lesion)
    return replace(sample, image=np.clip(np.rint(image), 0, 255).astype(np.uint8), lesion=lesion)


def _soft(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), SOFT_EDGE_PX), np.float32)


def _patches(shape: tuple[int, ...], choice: Densify) -> NDArray[np.float32]:
    """Return (H, W) float32 in 0.0 ... 1.0: smooth noise, so that ground glass stays between dense parts."""
    return np.asarray(np.clip(0.6 + 0.4 * _noise(shape, choice.grain_px, choice.seed), 0.0, 1.0), np.float32)


def _noise(shape: tuple[int, ...], grain_px: float, seed: int) -> NDArray[np.float32]:
    """Return (H, W) float32: smooth noise of mean about 0 and standard deviation 1, in patches of `grain_px`."""
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), grain_px), np.float32)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float32)


def graft(sample: Sample, donor: Sample, choice: Graft) -> Sample:
    """Place a donor's lesions in the lungs of a slice.

    The slice comes back unchanged where its lungs are not known, or the donor has no lesion. Only pixels of the lung
    change, and none gets darker, so that vessels and lesions of the slice stay.
    """
    if sample.lung is None or not (sample.lung == 255).any() or not (donor.lesion == 255).any():
        return sample
    lung = sample.lung == 255
    image, mask = _place(lung, donor, choice)
    mask &= lung & (sample.lesion != UNKNOWN)
    weight = _soft(mask) * lung
    blended = sample.image + weight * np.maximum(0.0, image.astype(np.float32) - sample.image)
    lesion = np.where(mask, np.uint8(255), sample.lesion)
    return replace(sample, image=np.rint(blended).astype(np.uint8), lesion=lesion)


def _place(lung: NDArray[np.bool_], donor: Sample, choice: Graft) -> tuple[ByteImage, NDArray[np.bool_]]:
    """Return the donor's lesion box where it goes: gray values (H, W) and lesion (H, W), the rest 0 and False."""
    patch, lesion = _lesion_box(donor, choice)
    rows, columns = np.nonzero(lung)
    chosen = min(len(rows) - 1, int(choice.position * len(rows)))
    # Whole pixels: OpenCV repeats or drops a row where it would have to split one.
    shift = (columns[chosen] - patch.shape[1] // 2, rows[chosen] - patch.shape[0] // 2)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    size = (lung.shape[1], lung.shape[0])
    image = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_NEAREST)
    mask = cv2.warpAffine(lesion, matrix, size, flags=cv2.INTER_NEAREST)
    return image.astype(np.uint8), mask == 255


def _lesion_box(donor: Sample, choice: Graft) -> tuple[ByteImage, ByteImage]:
    """Cut out the box about the donor's lesions, mirrored and scaled: gray values and lesion."""
    lesion = np.where(donor.lesion == 255, np.uint8(255), np.uint8(0))
    left, top, width, height = cv2.boundingRect(lesion)
    size = (max(1, round(width * choice.scale)), max(1, round(height * choice.scale)))
    steps = (-1 if choice.mirror_rows else 1, -1 if choice.mirror_columns else 1)

    def cut(image: ByteImage, interpolation: int) -> ByteImage:
        box = image[top : top + height, left : left + width][:: steps[0], :: steps[1]]
        return cv2.resize(np.ascontiguousarray(box), size, interpolation=interpolation).astype(np.uint8)

    return cut(donor.image, cv2.INTER_LINEAR), cut(lesion, cv2.INTER_NEAREST)
