"""Slice -> probabilities at its own height and width: by one look, or by several that are averaged ("quality").

Lesions are bounded to the lungs, where the network tells lungs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.bounds import bound_to_lungs
from model.engine import Engine, see
from model.preprocess import Gray, preprocess, restore

FloatArray = NDArray[np.float32]

CROP_MARGIN = 0.06
"""Of the lung box's sides, left on each side when the second pair of looks goes closer to the lungs."""

SMALLEST_BOX = 0.25
"""Of the slice's longer side: a smaller lung box is a sliver at the apex or base, and a closer look tells nothing."""


class Look(NamedTuple):
    """What one look found, lesions not bounded to the lungs.

    probability : (H, W, C) float32 in 0.0 ... 1.0, C as in `engine.channels`.
    features : (F,) float32, what the network's encoder saw; None where it does not tell.
    """

    probability: FloatArray
    features: FloatArray | None


class CloseLook(NamedTuple):
    """What several looks found together, and the first two apart; see `model.bounds`.

    probability : (H, W, C) float32, their mean. plain, mirrored : (H, W, C) float32, by the slice and by its mirror
    image; how much they differ tells how sure the network is.
    """

    probability: FloatArray
    plain: FloatArray
    mirrored: FloatArray


def look(pixels: Gray, value_range: tuple[float, float], engine: Engine) -> FloatArray:
    """Ask the network once.

    Parameters
    ----------
    pixels, value_range : as `model.preprocess.preprocess` takes them.

    Returns
    -------
    (H, W, C) float32 probabilities in 0.0 ... 1.0, C as in `engine.channels`; see `model.bounds`.
    """
    return bounded(look_once(pixels, value_range, engine).probability, engine)


def look_once(pixels: Gray, value_range: tuple[float, float], engine: Engine) -> Look:
    """Ask the network once, for all that it tells; parameters as in `look`."""
    network_input = preprocess(pixels, value_range=value_range, size=engine.input_size)
    seen = see(engine, network_input[np.newaxis])
    probability = restore(seen.probability[0], (pixels.shape[0], pixels.shape[1]))
    return Look(probability, None if seen.features is None else seen.features[0])


def look_closely(
    pixels: Gray, value_range: tuple[float, float], engine: Engine, first: Look | None = None
) -> CloseLook:
    """Ask about the slice and its mirror image, then, where there are lungs, about the lung box and its mirror image.

    Inside the lung box the probability is the mean of all four, outside of it of the first two. Parameters and arrays
    as in `look`; it takes four times as long.

    first : what the slice itself gave, where it was asked about already.
    """
    plain = (first or look_once(pixels, value_range, engine)).probability
    mirrored = _look_mirrored(pixels, value_range, engine)
    whole = (plain + mirrored) / np.float32(2.0)
    box = lung_box(whole[..., 1]) if "lung" in engine.channels else None
    if box is not None:
        one, other = (ask(pixels[box], value_range, engine) for ask in (_look_plain, _look_mirrored))
        whole[box] = (whole[box] + (one + other) / np.float32(2.0)) / 2.0
    return CloseLook(*(bounded(probability, engine) for probability in (whole, plain, mirrored)))


def bounded(probability: FloatArray, engine: Engine) -> FloatArray:
    """Bound lesions to the lungs where the network tells lungs; (H, W, C) float32, see `model.bounds`."""
    return bound_to_lungs(probability) if "lung" in engine.channels else probability


def _look_plain(pixels: Gray, value_range: tuple[float, float], engine: Engine) -> FloatArray:
    return look_once(pixels, value_range, engine).probability


def _look_mirrored(pixels: Gray, value_range: tuple[float, float], engine: Engine) -> FloatArray:
    """Return the answer about the mirror image, turned back."""
    return _look_plain(pixels[:, ::-1], value_range, engine)[:, ::-1]


def lung_box(lung: FloatArray, *, threshold: float = 0.5) -> tuple[slice, slice] | None:
    """Return rows and columns of the box about the lungs with a margin; None where there are none worth a look.

    Parameters
    ----------
    lung : (H, W) float32 probability in 0.0 ... 1.0.
    """
    inside = lung >= threshold
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0 or max(np.ptp(rows), np.ptp(columns)) + 1 < SMALLEST_BOX * max(lung.shape):
        return None
    return _widened(rows, lung.shape[0]), _widened(columns, lung.shape[1])


def _widened(positions: NDArray[np.intp], length: int) -> slice:
    first, last = int(positions[0]), int(positions[-1])
    margin = round(CROP_MARGIN * (last + 1 - first))
    return slice(max(0, first - margin), min(length, last + 1 + margin))
