"""Pictures of single slices: CT | truth | prediction. They hold pixels of the scans, so they stay on the machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.explain.draw import draw_map
from model.overlay import overlay
from model.png import encode_png
from model.preprocess import resize
from training.data.dataset import read_sample
from training.learning.networks import Reader
from training.measures.results import SliceResult
from training.measures.sanity import MapPair

WORST = 20
SIDE_PX = 256
GAP_PX = 4

RgbImage = NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One slice as the report shows it; `png` is a file's content."""

    title: str
    caption: str
    png: bytes


def choose_cases(results: Sequence[SliceResult]) -> list[tuple[str, SliceResult]]:
    """Return the slices to show, with titles: best and median Dice of those with lesion, and the worst of all.

    The worst have the lowest Dice, and of equal ones the most pixels wrong; slices without lesion in which one is
    called are among them.
    """
    defined = [result for result in results if not math.isnan(result.lesion.dice)]
    ill = sorted((result for result in defined if result.lesion_px > 0), key=lambda result: result.lesion.dice)
    cases = [("Best", ill[-1]), ("Median", ill[len(ill) // 2])] if ill else []
    worst = sorted(defined, key=lambda result: (result.lesion.dice, -_wrong_px(result)))[:WORST]
    return cases + [(f"Worst {number}", result) for number, result in enumerate(worst, 1)]


def draw_panels(read: Reader, results: Sequence[SliceResult], *, threshold: float) -> list[Panel]:
    """Read the chosen slices again and draw them."""
    return [
        Panel(title, describe(result), _draw(read, result, threshold=threshold))
        for title, result in choose_cases(results)
    ]


def describe(result: SliceResult) -> str:
    """Return a line on a slice: where it is from, its Dice, its areas."""
    return (
        f"{result.row.patient}, slice {result.row.slice_index}: Dice {result.lesion.dice:.2f}, "
        f"{result.lesion_px} pixels drawn, {result.called_px} called"
    )


def draw_maps(pairs: Sequence[MapPair]) -> list[Panel]:
    """Draw slices with the map of the trained network, and beside it that of the randomised one."""
    return [_draw_pair(pair) for pair in pairs]


def _draw_pair(pair: MapPair) -> Panel:
    image = read_sample(pair.row).image
    plain: RgbImage = np.repeat(image[..., np.newaxis], 3, axis=2)
    png = _join([plain, draw_map(image, pair.trained), draw_map(image, pair.randomised)])
    return Panel("What a call rests on", f"{pair.row.patient}, slice {pair.row.slice_index}", png)


def _wrong_px(result: SliceResult) -> int:
    return result.lesion.false_positive_px + result.lesion.false_negative_px


def _draw(read: Reader, result: SliceResult, *, threshold: float) -> bytes:
    sample = read_sample(result.row)
    probability = np.ascontiguousarray(read(sample.image)[..., 0])
    plain: RgbImage = np.repeat(sample.image[..., np.newaxis], 3, axis=2)
    return _join([plain, _fill(plain, sample.lesion > 0), overlay(sample.image, probability, threshold=threshold)])


def _join(pictures: Sequence[RgbImage]) -> bytes:
    """Return a PNG of three (H, W, 3) RGB pictures side by side."""
    gap = np.full((SIDE_PX, GAP_PX, 3), 128, np.uint8)
    left, middle, right = (_fit(picture) for picture in pictures)
    joined = np.concatenate([left, gap, middle, gap, right], axis=1)
    return encode_png(joined)


def _fill(image: RgbImage, mask: NDArray[np.bool_]) -> RgbImage:
    """Return a copy of (H, W, 3) RGB with a mask half over it, in one colour."""
    filled = image.copy()
    filled[mask] = np.rint(0.5 * image[mask] + 0.5 * np.array([253, 231, 37])).astype(np.uint8)
    return filled


def _fit(image: RgbImage) -> RgbImage:
    """Bring (H, W, 3) to SIDE_PX in height, the proportions kept."""
    height, width = image.shape[:2]
    fitted = resize(image.astype(np.float32), (SIDE_PX, max(1, round(width * SIDE_PX / height))))
    return np.rint(fitted).astype(np.uint8)
