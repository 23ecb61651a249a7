"""A slice blended with its neighbour, as breathing and thick slices do: the diaphragm's edge turns to haze.

Where only one of the two shows a lesion, nobody knows what the blend shows; where neither does, the haze is no lesion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.data.sample import UNKNOWN, Sample
from training.data.strokes import ByteImage


@dataclass(frozen=True)
class Blend:
    """How much of the neighbour is seen, and which one: `choice` picks from those there are, 0.0 ... 1.0."""

    share: float
    choice: float


def draw_blend(rng: np.random.Generator) -> Blend:
    """Draw share and choice from `rng`."""
    return Blend(share=float(rng.uniform(0.15, 0.5)), choice=float(rng.random()))


def blend(sample: Sample, drawn: Blend) -> Sample:
    """Blend a slice with one of its neighbours; without one of the same height and width it comes back unchanged."""
    fitting = [other for other in sample.beside if other.image.shape == sample.image.shape]
    if not fitting:
        return sample
    other = fitting[min(len(fitting) - 1, int(drawn.choice * len(fitting)))]
    image = (1.0 - drawn.share) * sample.image + drawn.share * other.image.astype(np.float32)
    lung = None if sample.lung is None or other.lung is None else _where_alike(sample.lung, other.lung)
    return replace(
        sample,
        image=np.rint(image).astype(np.uint8),
        lesion=_where_alike(sample.lesion, other.lesion),
        lung=sample.lung if lung is None else lung,
    )


def _where_alike(mask: ByteImage, other: ByteImage) -> ByteImage:
    return np.where(mask == other, mask, np.uint8(UNKNOWN)).astype(np.uint8)
