"""Two forms of one network: how much Dice the one loses against the other, on slices that neither has learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.engine import Engine
from model.findings import lesion_mask
from model.threshold import DEFAULT_THRESHOLD
from training.data.dataset import Row, read_sample
from training.learning.networks import reader
from training.measures.metrics import NO_PIXELS, Overlap, overlap

POOLED_BOUND = 0.005
"""How much of the lesion Dice over all pixels of all slices a served form may lose."""

PATIENT_BOUND = 0.02
"""The same of any one patient's."""


@dataclass(frozen=True)
class Accuracy:
    """Lesion Dice, of all pixels of all slices, and of those of each patient; see `training.measures.metrics`."""

    pooled: float
    patients: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {"pooled": self.pooled, "patients": dict(self.patients)}


@dataclass(frozen=True)
class Loss:
    """What a form loses against another; negative where it gains. worst_patient : the most that any patient loses."""

    pooled: float
    worst_patient: float

    @property
    def is_bearable(self) -> bool:
        """Whether it is within the bounds; NaN is not."""
        return self.pooled <= POOLED_BOUND and self.worst_patient <= PATIENT_BOUND


def measure_accuracy(engine: Engine, rows: Sequence[Row]) -> Accuracy:
    """Read slices as the server does, and hold the lesions against their masks.

    Raises
    ------
    ValueError : there is no row.
    """
    if not rows:
        raise ValueError("rows is empty: there is nothing to measure")
    read = reader(engine)
    patients: dict[str, Overlap] = defaultdict(lambda: NO_PIXELS)
    for row in rows:
        sample = read_sample(row)
        called = lesion_mask(read(sample.image)[..., 0], DEFAULT_THRESHOLD)
        patients[row.patient] += overlap(sample.lesion > 0, called)
    return Accuracy(
        sum(patients.values(), NO_PIXELS).dice, {name: found.dice for name, found in sorted(patients.items())}
    )


def compare(original: Accuracy, form: Accuracy) -> Loss:
    """Return what a form loses against the original, of the same slices.

    >>> compare(Accuracy(0.75, {"a": 0.9, "b": 0.5}), Accuracy(0.5, {"a": 0.9, "b": 0.25}))
    Loss(pooled=0.25, worst_patient=0.25)
    """
    # NumPy lets a NaN through, which Python's own max may pass over.
    worst = float(np.max([dice - form.patients[name] for name, dice in original.patients.items()]))
    return Loss(original.pooled - form.pooled, worst)
