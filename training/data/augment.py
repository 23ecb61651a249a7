"""Augmentation: draw(rng) -> parameters, apply(sample, parameters) -> sample. Drawing is kept apart from applying.

The training scans come from two sources in one window; the pictures that people send are tight crops, in other
windows, compressed, blurred and drawn upon. Every step below is one of those differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.grafts import Densify, Graft, Haze, densify, draw_densify, draw_graft, draw_haze, graft, haze
from training.data.motion import Blend, blend, draw_blend
from training.data.sample import Sample
from training.data.strokes import ByteImage, Stroke, draw_strokes, random_strokes


@dataclass(frozen=True)
class Augmentation:
    """How often a configuration wants what; all but the last as probabilities per slice."""

    strokes: float = 0.15  # lines, arrows, frames and letters
    densify: float = 0.0  # lesions made denser, up to consolidation
    graft: float = 0.0  # lesions of another slice placed in the lungs
    haze: float = 0.0  # ground glass by hand over parts of the lungs
    blend: float = 0.0  # the slice blended with a neighbour, as breathing does
    faintest_haze: float = 17.0  # no probability: gray values of 255, see grafts.draw_haze

    def __post_init__(self) -> None:
        for name in ("strokes", "densify", "graft", "haze", "blend"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be 0 to 1, a probability, got {getattr(self, name)}")
        if not 0.0 <= self.faintest_haze <= 255.0:
            raise ValueError(f"faintest_haze must be 0 to 255, gray values, got {self.faintest_haze}")


@dataclass(frozen=True)
class Crop:
    """How much is kept. Margins are shares of the box's sides: top, bottom, left, right; negative cuts into it."""

    to_lungs: bool
    margins: tuple[float, float, float, float]


@dataclass(frozen=True)
class Warp:
    """Rotation in degrees, stretch of the height against the width, and mirrors, about the centre."""

    degrees: float = 0.0
    stretch: float = 1.0
    mirror_columns: bool = False
    mirror_rows: bool = False


@dataclass(frozen=True)
class Appearance:
    """Gray values and picture quality; the values given here change nothing."""

    black: float = 0.0  # gray value that becomes 0
    white: float = 255.0  # gray value that becomes 255
    gamma: float = 1.0
    blur_px: float = 0.0  # standard deviation
    shrink: float = 1.0  # side of the intermediate picture, as a share
    noise: float = 0.0  # standard deviation in gray values
    jpeg_quality: int = 0  # 0 = not compressed


@dataclass(frozen=True)
class Parameters:
    """Everything that one application needs; the same parameters give the same pixels."""

    crop: Crop | None = None
    warp: Warp = Warp()
    appearance: Appearance = Appearance()
    strokes: tuple[Stroke, ...] = field(default=())
    noise_seed: int = 0
    graft: Graft | None = None
    densify: Densify | None = None
    haze: Haze | None = None
    blend: Blend | None = None


def draw(rng: np.random.Generator, wanted: Augmentation = Augmentation()) -> Parameters:
    """Draw parameters for one slice from `rng`."""
    return Parameters(
        crop=_draw_crop(rng),
        warp=_draw_warp(rng),
        appearance=_draw_appearance(rng),
        strokes=random_strokes(rng) if rng.random() < wanted.strokes else (),
        noise_seed=int(rng.integers(2**32)),
        graft=draw_graft(rng) if rng.random() < wanted.graft else None,
        densify=draw_densify(rng) if rng.random() < wanted.densify else None,
        haze=draw_haze(rng, wanted.faintest_haze) if rng.random() < wanted.haze else None,
        blend=draw_blend(rng) if rng.random() < wanted.blend else None,
    )


def _draw_crop(rng: np.random.Generator) -> Crop | None:
    kind = rng.random()
    if kind < 0.25:
        return None
    if kind < 0.75:
        top, bottom, left, right = rng.uniform(-0.02, 0.25, 4)
        return Crop(True, (float(top), float(bottom), float(left), float(right)))
    top, bottom, left, right = rng.uniform(-0.2, 0.0, 4)
    return Crop(False, (float(top), float(bottom), float(left), float(right)))


def _draw_warp(rng: np.random.Generator) -> Warp:
    return Warp(
        degrees=float(rng.normal(0.0, 7.0)) if rng.random() < 0.7 else 0.0,
        stretch=float(np.exp(rng.uniform(-0.2, 0.2))) if rng.random() < 0.5 else 1.0,
        mirror_columns=bool(rng.random() < 0.5),
        mirror_rows=bool(rng.random() < 0.1),
    )


def _draw_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a window about the lung window of the scans: black at -1485 ... -955 HU, white at -270 ... 515 HU."""
    plain = Appearance()
    if rng.random() < 0.75:
        black, white = rng.uniform(-40.0, 50.0), rng.uniform(167.0, 300.0)
        plain = replace(plain, black=float(black), white=float(white), gamma=float(np.exp(rng.normal(0.0, 0.15))))
    return replace(
        plain,
        blur_px=float(rng.uniform(0.3, 1.5)) if rng.random() < 0.25 else 0.0,
        shrink=float(rng.uniform(0.4, 0.9)) if rng.random() < 0.25 else 1.0,
        noise=float(rng.uniform(2.0, 14.0)) if rng.random() < 0.3 else 0.0,
        jpeg_quality=int(rng.integers(25, 95)) if rng.random() < 0.4 else 0,
    )


def apply(sample: Sample, parameters: Parameters, *, donor: Sample | None = None) -> Sample:
    """Apply drawn parameters: blend, graft, haze and densify, then crop, warp, gray values, strokes.

    Masks follow the geometry and the grafts, nothing else. The result may be smaller than the sample and not square;
    it is never empty. `donor` is a labelled slice, whose lesions are grafted; without one there is neither graft nor
    haze, since the slice may be in another window.
    """
    sample = blend(sample, parameters.blend) if parameters.blend else sample
    if donor is not None:
        sample = graft(sample, donor, parameters.graft) if parameters.graft else sample
        sample = haze(sample, parameters.haze) if parameters.haze else sample
    sample = densify(sample, parameters.densify) if parameters.densify else sample
    cropped = crop(sample, parameters.crop) if parameters.crop else sample
    warped = warp(cropped, parameters.warp)
    drawn = draw_strokes(change_window(warped.image, parameters.appearance), parameters.strokes)
    return replace(warped, image=degrade(drawn, parameters.appearance, parameters.noise_seed))


def lung_box(lung: ByteImage) -> tuple[int, int, int, int] | None:
    """Return top, bottom, left, right (ends excluded) of the pixels of (H, W) uint8 that are 255, None without any."""
    inside = lung == 255
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def crop(sample: Sample, choice: Crop) -> Sample:
    """Cut out the lung box (or the whole slice) with margins; without a lung mask the whole slice is the box."""
    height, width = sample.image.shape
    box = lung_box(sample.lung) if choice.to_lungs and sample.lung is not None else None
    top, bottom, left, right = box or (0, height, 0, width)
    if min(bottom - top, right - left) < 32:
        # A sliver of lung at the apex or the base would leave nothing to see around it.
        return sample
    above, below, before, after = choice.margins
    rows = slice(max(0, round(top - above * (bottom - top))), min(height, round(bottom + below * (bottom - top))))
    columns = slice(max(0, round(left - before * (right - left))), min(width, round(right + after * (right - left))))
    return _map_images(sample, lambda image: np.ascontiguousarray(image[rows, columns]))


def warp(sample: Sample, choice: Warp) -> Sample:
    """Rotate, stretch and mirror about the centre; what comes in from outside is 0. Masks stay 0 or 255."""
    if choice == Warp():
        return sample
    height, width = sample.image.shape
    matrix = _warp_matrix((height, width), choice)

    def nearest(image: ByteImage) -> ByteImage:
        return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_NEAREST).astype(np.uint8)

    moved = _map_images(sample, nearest)
    image = cv2.warpAffine(sample.image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return replace(moved, image=image.astype(np.uint8))


def _warp_matrix(shape: tuple[int, int], choice: Warp) -> NDArray[np.float64]:
    """Return the (2, 3) matrix, from source (x, y) to target (x, y), that `cv2.warpAffine` takes."""
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    radians = np.deg2rad(choice.degrees)
    rotation = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    # Only ever shrink along an axis, so that a stretch does not push anatomy out of the picture.
    scale_x, scale_y = min(1.0, 1.0 / choice.stretch), min(1.0, choice.stretch)
    mirror = np.diag([-1.0 if choice.mirror_columns else 1.0, -1.0 if choice.mirror_rows else 1.0])
    linear = rotation @ np.diag([scale_x, scale_y]) @ mirror
    return np.column_stack([linear, centre - linear @ centre])


def change_window(image: ByteImage, choice: Appearance) -> ByteImage:
    """Map gray values by black point, white point and gamma, through a table of 256 values."""
    values = (np.arange(256) - choice.black) / (choice.white - choice.black)
    table = np.rint(255.0 * np.clip(values, 0.0, 1.0) ** choice.gamma).astype(np.uint8)
    mapped: ByteImage = table[image]
    return mapped


def degrade(image: ByteImage, choice: Appearance, noise_seed: int) -> ByteImage:
    """Blur, shrink and enlarge again, add noise, compress as JPEG, in this order; (H, W) stays (H, W)."""
    height, width = image.shape
    result: NDArray[np.uint8] = image
    if choice.blur_px > 0.0:
        result = cv2.GaussianBlur(result, (0, 0), choice.blur_px).astype(np.uint8)
    if choice.shrink < 1.0:
        small = (max(1, round(width * choice.shrink)), max(1, round(height * choice.shrink)))
        shrunk = cv2.resize(result, small, interpolation=cv2.INTER_AREA)
        result = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    if choice.noise > 0.0:
        noise = np.random.default_rng(noise_seed).standard_normal(image.shape, dtype=np.float32)
        result = np.clip(np.rint(result + choice.noise * noise), 0, 255).astype(np.uint8)
    if choice.jpeg_quality > 0:
        _, encoded = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, choice.jpeg_quality])
        result = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return result


def _map_images(sample: Sample, change: Callable[[ByteImage], ByteImage]) -> Sample:
    lung = None if sample.lung is None else change(sample.lung)
    return Sample(change(sample.image), change(sample.lesion), lung)
