"""What pictures go through, in five strengths each, and what is left of Dice and quietness then.

Every perturbation is a pure function of a sample and a strength; noise and letters come from fixed seeds. Geometry
moves the masks as well, so the truth stays true. The meaning of each strength stands in PERTURBATIONS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from model.findings import LUNG_THRESHOLD, lesion_mask
from training.data.augment import Appearance, Warp, change_window, degrade, warp
from training.data.dataset import Row
from training.data.sample import Sample
from training.data.strokes import ByteImage
from training.learning.networks import Reader
from training.measures.metrics import NO_PIXELS, called_share, overlap
from training.measures.results import CLEAN_SHARE

SEED = 0
WORDS = ("R", "SUPINE", "WL -500", "WW 1500", "TH 1.0", "IM 42", "FINDING", "512 x 512")


@dataclass(frozen=True)
class Perturbation:
    """What is done to a picture, at five strengths from weak to strong.

    `unit` says what a strength is, `none` which strength leaves the picture as it is.
    """

    apply: Callable[[Sample, float], Sample]
    strengths: tuple[float, float, float, float, float]
    unit: str
    none: float = 0.0


def add_noise(sample: Sample, strength: float) -> Sample:
    """Add white noise; strength: standard deviation in gray values."""
    return _degraded(sample, Appearance(noise=strength))


def blur(sample: Sample, strength: float) -> Sample:
    """Blur by a Gaussian; strength: standard deviation in pixels."""
    return _degraded(sample, Appearance(blur_px=strength))


def raise_contrast(sample: Sample, strength: float) -> Sample:
    """Narrow the window about its middle; strength: factor by which gray values move away from the middle."""
    half = 127.5 / strength
    return _windowed(sample, Appearance(black=127.5 - half, white=127.5 + half))


def lower_contrast(sample: Sample, strength: float) -> Sample:
    """Widen the window about its middle; strength: divisor of the distance of gray values from the middle."""
    return raise_contrast(sample, 1.0 / strength)


def darken(sample: Sample, strength: float) -> Sample:
    """Move the window towards denser tissue, so that the picture darkens; strength: gray values subtracted."""
    return _windowed(sample, Appearance(black=strength, white=255.0 + strength))


def brighten(sample: Sample, strength: float) -> Sample:
    """Move the window towards air, so that the picture brightens; strength: gray values added."""
    return darken(sample, -strength)


def compress(sample: Sample, strength: float) -> Sample:
    """Compress as JPEG; strength: 100 less the quality."""
    return _degraded(sample, Appearance(jpeg_quality=round(100.0 - strength)))


def rotate(sample: Sample, strength: float) -> Sample:
    """Rotate about the centre, masks and all; strength: degrees."""
    return warp(sample, Warp(degrees=strength))


def shrink(sample: Sample, strength: float) -> Sample:
    """Shrink and enlarge again; strength: factor of the side that is lost on the way."""
    return _degraded(sample, Appearance(shrink=1.0 / strength))


def burn_in_text(sample: Sample, strength: float) -> Sample:
    """Write words over the picture, in white; strength: how many. More words hold the fewer ones."""
    return replace(sample, image=_write(sample.image, round(strength)))


PERTURBATIONS: dict[str, Perturbation] = {
    "noise": Perturbation(add_noise, (4.0, 8.0, 16.0, 24.0, 32.0), "standard deviation, gray values of 255"),
    "blur": Perturbation(blur, (0.5, 1.0, 1.5, 2.0, 3.0), "standard deviation, pixels"),
    "more contrast": Perturbation(raise_contrast, (1.1, 1.2, 1.4, 1.6, 2.0), "factor about the middle gray", none=1.0),
    "less contrast": Perturbation(lower_contrast, (1.1, 1.2, 1.4, 1.6, 2.0), "divisor about the middle gray", none=1.0),
    "darker window": Perturbation(darken, (5.0, 10.0, 20.0, 30.0, 40.0), "gray values subtracted, of 255"),
    "brighter window": Perturbation(brighten, (5.0, 10.0, 20.0, 30.0, 40.0), "gray values added, of 255"),
    "JPEG": Perturbation(compress, (25.0, 50.0, 70.0, 80.0, 90.0), "100 less the quality"),
    "rotation": Perturbation(rotate, (5.0, 10.0, 20.0, 30.0, 45.0), "degrees"),
    "down-sampling": Perturbation(shrink, (1.5, 2.0, 3.0, 4.0, 6.0), "factor of the side", none=1.0),
    "burned-in text": Perturbation(burn_in_text, (1.0, 2.0, 4.0, 8.0, 16.0), "words over the picture"),
}
"""By name. One gray value is 5.9 HU in the window of 1,500 HU that the scans are stored in."""


class Step(NamedTuple):
    """What is left at one strength: the pooled Dice of slices with lesion, and the share of clean ones of the others.

    `clean` is as in training.measures.results; NaN where there are no such slices, or no lung is told.
    """

    strength: float
    dice: float
    clean: float


@dataclass(frozen=True)
class Robustness:
    """For each perturbation its steps, the pictures as they are first, and how many slices they rest on."""

    steps: Mapping[str, Sequence[Step]]
    lesion_slices: int
    left_out_slices: int  # without lesion in the truth


def measure_robustness(
    read: Reader, samples: Sequence[Sample], *, threshold: float, wanted: Mapping[str, Perturbation] = PERTURBATIONS
) -> Robustness:
    """Read samples with and without lesion under every perturbation that is wanted.

    Raises
    ------
    ValueError : there is no sample.
    """
    if not samples:
        raise ValueError("samples is empty: there is nothing to perturb")
    plain = _read_all(read, samples, threshold=threshold)
    steps: dict[str, list[Step]] = {}
    for name, perturbation in wanted.items():
        steps[name] = [Step(perturbation.none, *plain)]
        for strength in perturbation.strengths:
            changed = [perturbation.apply(sample, strength) for sample in samples]
            steps[name].append(Step(strength, *_read_all(read, changed, threshold=threshold)))
    ill = sum(sample.lesion.any() for sample in samples)
    return Robustness(steps, int(ill), len(samples) - int(ill))


def spread_evenly(rows: Sequence[Row], count: int) -> list[Row]:
    """Return at most `count` rows, evenly spaced from the first to the last."""
    if len(rows) <= count:
        return list(rows)
    return [rows[position] for position in np.linspace(0, len(rows) - 1, count).round().astype(int)]


def _read_all(read: Reader, samples: Sequence[Sample], *, threshold: float) -> tuple[float, float]:
    """Return the pooled Dice of samples with lesion, and the share of clean ones of the others."""
    pooled, clean = NO_PIXELS, []
    for sample in samples:
        answer = read(sample.image)
        called = lesion_mask(answer[..., 0], threshold)
        if sample.lesion.any():
            pooled += overlap(sample.lesion > 0, called)
        elif answer.shape[-1] > 1:
            clean.append(called_share(called, answer[..., 1] >= LUNG_THRESHOLD) <= CLEAN_SHARE)
    return pooled.dice, float(np.mean(clean)) if clean else math.nan


def _degraded(sample: Sample, appearance: Appearance) -> Sample:
    return replace(sample, image=degrade(sample.image, appearance, SEED))


def _windowed(sample: Sample, appearance: Appearance) -> Sample:
    return replace(sample, image=change_window(sample.image, appearance))


def _write(image: ByteImage, words: int) -> ByteImage:
    """Write the first so many words of an endless list, each at its own place, a twentieth of the height high."""
    canvas = image.copy()
    height, width = canvas.shape
    places = np.random.default_rng(SEED).uniform((0.02, 0.08), (0.75, 0.98), (words, 2))
    scale = height / 20.0 / 22.0  # a letter of this font is 22 pixels high at scale 1
    for number, (left, bottom) in enumerate(places):
        corner = (round(left * width), round(bottom * height))
        word = WORDS[number % len(WORDS)]
        cv2.putText(canvas, word, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, height // 256), cv2.LINE_AA)
    return canvas
