"""The steps in order: bytes -> slice -> input -> probabilities -> findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.decode.ct import CtSlice
from model.decode.picture import decode_picture
from model.engine import Engine, Identity
from model.findings import Findings, Mask, lesion_mask, measure
from model.look import look, look_closely
from model.preprocess import Gray, resize, square_shape
from model.threshold import DEFAULT_THRESHOLD

Look = Callable[[Gray, tuple[float, float], Engine], NDArray[np.float32]]


@dataclass(frozen=True)
class Segmentation:
    """One slice, read. Arrays are at the slice's own height and width.

    lesion_probability : (H, W) float32 in 0.0 ... 1.0.
    lung_probability : the same, or None where the network has no lung channel.
    quality : whether several looks were averaged.
    """

    ct_slice: CtSlice
    lesion_probability: NDArray[np.float32]
    lung_probability: NDArray[np.float32] | None
    findings: Findings
    model: Identity
    quality: bool = False

    @property
    def mask(self) -> Mask:
        """Return (H, W) bool: lesion at the threshold of the findings."""
        return lesion_mask(self.lesion_probability, self.findings.threshold)


def segment(
    data: bytes, engine: Engine, *, threshold: float = DEFAULT_THRESHOLD, quality: bool = False
) -> Segmentation:
    """Read a picture file and find its lesions.

    Parameters
    ----------
    data : a whole picture file.
    threshold : probability from which a pixel is lesion, above 0 and below 1.
    quality : average four looks, see `model.look.look_closely`; a little more accurate, four times slower.

    Raises
    ------
    InputError : the file cannot be read; see `model.decode.picture`.
    """
    return segment_slice(decode_picture(data), engine, threshold=threshold, quality=quality)


def segment_slice(
    ct_slice: CtSlice, engine: Engine, *, threshold: float = DEFAULT_THRESHOLD, quality: bool = False
) -> Segmentation:
    """Find the lesions of a slice; parameters as in `segment`."""
    ask = look_closely if quality else look
    probabilities = _in_proportion(ct_slice, ask, engine)
    lesion = np.ascontiguousarray(probabilities[..., 0])
    lung = np.ascontiguousarray(probabilities[..., 1]) if "lung" in engine.channels else None
    findings = measure(
        lesion,
        lung,
        threshold=threshold,
        spacing_mm=ct_slice.spacing_mm,
        hounsfield=np.asarray(ct_slice.pixels, np.float32) if ct_slice.hounsfield else None,
    )
    return Segmentation(ct_slice, lesion, lung, findings, engine.identity, quality)


def _in_proportion(ct_slice: CtSlice, ask: Look, engine: Engine) -> NDArray[np.float32]:
    """Ask about a slice with square pixels, as the network has learned, and return the answer at the slice's own."""
    shape = square_shape(ct_slice.shape, ct_slice.spacing_mm)
    if shape == ct_slice.shape:
        return ask(ct_slice.pixels, ct_slice.value_range, engine)
    answer = ask(resize(np.asarray(ct_slice.pixels, np.float32), shape), ct_slice.value_range, engine)
    restored = resize(answer, ct_slice.shape).reshape(*ct_slice.shape, len(engine.channels))
    return np.clip(restored, 0.0, 1.0)
