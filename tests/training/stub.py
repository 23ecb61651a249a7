"""A stand-in for a network, and results as evaluation gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.engine import Identity
from tests.training.drawn import draw_sample
from training.appearance import Appearance
from training.curves import count_probabilities
from training.dataset import Row
from training.lesions import count_lesions
from training.metrics import overlap
from training.results import SliceResult
from training.surfaces import compare_surfaces

FloatArray = NDArray[np.float32]


class BrightEngine:
    """Calls lesion what is brighter than 0.6, lung what is brighter than 0.2."""

    identity = Identity("bright", "abc")
    channels: tuple[str, ...] = ("lesion", "lung")

    def predict(self, batch: FloatArray) -> FloatArray:
        both = np.concatenate([batch >= 0.6, batch >= 0.2], axis=-1)
        return both[..., : len(self.channels)].astype(np.float32)


def result(
    number: int = 0, *, patient: str = "p1", missed_rows: int = 0, healthy: bool = False, disagreement: float = 0.0
) -> SliceResult:
    """A drawn slice whose uppermost rows of lesion were missed; a healthy one has no lesion but the same call."""
    sample = draw_sample(number)
    called = sample.lesion > 0
    top = int(np.flatnonzero(called.any(axis=1))[0])
    truth = np.zeros_like(called) if healthy else called.copy()
    called[top : top + missed_rows] = False
    probability = np.where(called, 0.9, 0.05).astype(np.float32)
    histogram = count_probabilities(probability, truth)
    return SliceResult(
        row=Row(Path(f"{number}.png"), Path(f"{number}_m.png"), None, patient[0], patient, number, "val"),
        lesion=overlap(truth, called),
        lung=None,
        called_share=0.1 if called.any() else 0.0,
        surface=compare_surfaces(truth, called),
        lesions=count_lesions(truth, called),
        histogram=histogram,
        near=histogram,
        scores={"called_area": float(called.mean()), "smoothed_peak": 0.9 - 0.1 * healthy, "top_mean": 0.9},
        appearance=Appearance(noise=float(number), brightness=100.0),
        disagreement=disagreement,
    )
