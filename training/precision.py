"""The forms of one network that can be served -> the fastest of them that answers as the original does."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.card import Identity
from model.engine import Engine, KerasEngine, OpenVinoEngine
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess
from training.data.dataset import Row
from training.measures.accuracy import PATIENT_BOUND, POOLED_BOUND, Accuracy, Loss, compare, measure_accuracy

INT8, BF16, F32 = "int8", "bf16", "f32"
ORIGINAL = "original"

TIMED = 20
"""Slices by which a form is timed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """A form of a network. ms : of one slice, the network alone, see `time_slices`."""

    accuracy: Accuracy
    loss: Loss
    ms: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        lost = {"dice_lost_pooled": self.loss.pooled, "dice_lost_worst_patient": self.loss.worst_patient}
        return {"ms": round(self.ms, 1), "lesion_dice": self.accuracy.as_dict(), **lost}


def measure_forms(keras_file: Path, forms: Mapping[str, Path], rows: Sequence[Row]) -> dict[str, Measured]:
    """Measure a network and its forms on slices that validate.

    Parameters
    ----------
    keras_file : the network that they come from, ORIGINAL among the answers.
    forms : the .xml of each by INT8, BF16, F32; the two latter are one file that is computed in two ways.
    """
    engines: dict[str, Engine] = {ORIGINAL: KerasEngine(keras_file, Identity(keras_file.stem, ""))}
    for precision, file in forms.items():
        hint = BF16 if precision == BF16 else F32
        engines[precision] = OpenVinoEngine(file, Identity(file.stem, ""), precision=hint)
    accuracies = {name: measure_accuracy(engine, rows) for name, engine in engines.items()}
    ms = time_slices(engines)
    found = {
        name: Measured(accuracy, compare(accuracies[ORIGINAL], accuracy), ms[name])
        for name, accuracy in accuracies.items()
    }
    for name, measured in found.items():
        log.info("%s: %s", name, measured)
    return found


def time_slices(engines: Mapping[str, Engine], count: int = TIMED) -> dict[str, float]:
    """Return the milliseconds of one slice by each engine: the least of so many, which others disturb the least.

    They take turns, so that a busy machine is busy for all of them.
    """
    batch = preprocess(draw_phantom(EXAMPLES["many"]))[np.newaxis]
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(count):
        for name, engine in engines.items():
            began = time.perf_counter()
            engine.predict(batch)
            seconds[name].append(time.perf_counter() - began)
    return {name: 1000.0 * min(times) for name, times in seconds.items()}


def fastest(measured: Mapping[str, Measured]) -> str:
    """Return the precision that is served.

    Raises
    ------
    ValueError : none is within the bounds of `training.measures.accuracy`.
    """
    forms = {name: form for name, form in measured.items() if name != ORIGINAL}
    bearable = [name for name, form in forms.items() if form.loss.is_bearable]
    if not bearable:
        losses = ", ".join(
            f"{name} {form.loss.pooled:.4f} and {form.loss.worst_patient:.4f}" for name, form in forms.items()
        )
        raise ValueError(
            f"no form answers as the original does. Lesion Dice lost over all slices, and by the worst patient: "
            f"{losses}; the bounds are {POOLED_BOUND} and {PATIENT_BOUND}. Nothing is written."
        )
    return min(bearable, key=lambda name: forms[name].ms)
