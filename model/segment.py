"""The steps in order: bytes -> slice -> input -> probabilities -> findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.agreement import Agreement, agreement
from model.card import Identity
from model.decode.ct import CtSlice
from model.decode.picture import decode_picture
from model.engine import Engine
from model.errors import NotChestCt
from model.findings import Findings, Mask, lesion_mask, measure
from model.look import bounded, look_closely, look_once
from model.preprocess import in_proportion, resize
from model.recognise.judge import Recogniser, Recognition
from model.threshold import DEFAULT_THRESHOLD

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Segmentation:
    """One slice, read. Arrays are at the slice's own height and width.

    lesion_probability : (H, W) float32 in 0.0 ... 1.0.
    lung_probability : the same, or None where the network has no lung channel.
    quality : whether several looks were averaged.
    flips : how far the looks at the slice and at its mirror image agree; None without `quality`.
    recognition : what the slice looks like; None where nobody asked.
    """

    ct_slice: CtSlice
    lesion_probability: NDArray[np.float32]
    lung_probability: NDArray[np.float32] | None
    findings: Findings
    model: Identity
    quality: bool = False
    flips: Agreement | None = None
    recognition: Recognition | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of the slice: first what it looks like, then what was lost or guessed in reading."""
        told = self.recognition.sentence if self.recognition else ""
        return (told, *self.ct_slice.notes) if told else self.ct_slice.notes

    @property
    def mask(self) -> Mask:
        """Return (H, W) bool: lesion at the threshold of the findings."""
        return lesion_mask(self.lesion_probability, self.findings.threshold)


def segment(
    data: bytes,
    engine: Engine,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    quality: bool = False,
    recogniser: Recogniser | None = None,
    force: bool = False,
) -> Segmentation:
    """Read a picture file and find its lesions.

    Parameters
    ----------
    data : a whole picture file.
    threshold : probability from which a pixel is lesion, above 0 and below 1.
    quality : average four looks, see `model.look.look_closely`; a little more accurate, four times slower.
    recogniser : tells what the slice shows; None where nobody asks.
    force : read it even where it does not look like a chest CT.

    Raises
    ------
    InputError : the file cannot be read; see `model.decode.picture`.
    NotChestCt : it does not look like a chest CT, and `force` is not given.
    """
    ct_slice = decode_picture(data)
    return segment_slice(ct_slice, engine, threshold=threshold, quality=quality, recogniser=recogniser, force=force)


def segment_slice(
    ct_slice: CtSlice,
    engine: Engine,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    quality: bool = False,
    recogniser: Recogniser | None = None,
    force: bool = False,
) -> Segmentation:
    """Find the lesions of a slice; parameters and errors as in `segment`."""
    recognition = recogniser.before_reading(ct_slice, engine) if recogniser else None
    refuse(recognition, force=force)
    pixels = in_proportion(ct_slice.pixels, ct_slice.spacing_mm)
    first = look_once(pixels, ct_slice.value_range, engine)
    if recogniser and recognition is None:
        recognition = recogniser.by_features(first.features)
        # Before the other looks, where there are any.
        refuse(recognition, force=force)
    looks = look_closely(pixels, ct_slice.value_range, engine, first) if quality else None
    flips = agreement(looks.plain[..., 0], looks.mirrored[..., 0], threshold) if looks else None
    found = looks.probability if looks else bounded(first.probability, engine)
    probability = _restored(found, ct_slice.shape)
    lesion = np.ascontiguousarray(probability[..., 0])
    lung = np.ascontiguousarray(probability[..., 1]) if "lung" in engine.channels else None
    findings = measure(
        lesion,
        lung,
        threshold=threshold,
        spacing_mm=ct_slice.spacing_mm,
        hounsfield=np.asarray(ct_slice.pixels, np.float32) if ct_slice.hounsfield else None,
    )
    return Segmentation(ct_slice, lesion, lung, findings, engine.identity, quality, flips, recognition)


def refuse(recognition: Recognition | None, *, force: bool) -> None:
    """Raise NotChestCt where something does not look like a chest CT and is not to be read by force."""
    if recognition and recognition.refused and not force:
        raise NotChestCt(recognition.sentence)


def _restored(answer: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Return an answer, (H, W, C), at the height and width of the slice."""
    if answer.shape[:2] == shape:
        return answer
    return np.clip(resize(answer, shape).reshape(*shape, answer.shape[2]), 0.0, 1.0)
