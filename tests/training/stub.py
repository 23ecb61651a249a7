"""Stand-ins for a network, four slices to be counted by hand, and results as evaluation gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.card import Identity
from tests.training.drawn import draw_sample, write_manifest, write_png
from training.data.dataset import Row, read_manifest
from training.measures.appearance import Appearance
from training.measures.curves import count_probabilities
from training.measures.lesions import count_lesions
from training.measures.metrics import overlap
from training.measures.results import SliceResult
from training.measures.surfaces import compare_surfaces

FloatArray = NDArray[np.float32]
SIZE = 32


class BrightEngine:
    """Calls lesion what is brighter than 0.6, lung what is brighter than 0.2."""

    identity = Identity("bright", "abc")
    channels: tuple[str, ...] = ("lesion", "lung")
    input_size = 64

    def predict(self, batch: FloatArray) -> FloatArray:
        both = np.concatenate([batch >= 0.6, batch >= 0.2], axis=-1)
        return both[..., : len(self.channels)].astype(np.float32)


class FakeEngine:
    """Calls lesion what is brighter than 0.6, lung what is brighter than 0.3."""

    identity = Identity("fake", "abc")
    channels: tuple[str, ...] = ("lesion", "lung")
    input_size = SIZE

    def predict(self, batch: FloatArray) -> FloatArray:
        both = np.concatenate([batch >= 0.6, batch >= 0.3], axis=-1)
        return both[..., : len(self.channels)].astype(np.float32)


def mask(rows: int, columns: int) -> NDArray[np.uint8]:
    """(32, 32), the upper left rows and columns marked."""
    marked = np.zeros((SIZE, SIZE), np.uint8)
    marked[:rows, :columns] = 255
    return marked


def line(folder: Path, name: str, patient: str, *, called: int, lesion: int, lung: int | None) -> dict[str, object]:
    """A slice in whose 20 × 20 lung the first `called` rows look like lesion; the masks have `lesion`, `lung` rows."""
    image = np.maximum(mask(20, 20) // 2, mask(called, 20))
    return {
        "image": write_png(folder / f"{name}.png", image),
        "mask": write_png(folder / f"{name}_m.png", mask(lesion, 20)),
        "lung": "" if lung is None else write_png(folder / f"{name}_l.png", mask(lung, 20)),
        "source": patient[0],
        "patient": patient,
        "slice": 0,
        "split": "val",
    }


def four_rows(folder: Path) -> list[Row]:
    """Two slices with lesion, one of another source that is healthy but called, and one that is clean."""
    lines = [
        line(folder, "one", "a1", called=4, lesion=6, lung=20),
        line(folder, "two", "a1", called=4, lesion=2, lung=10),
        line(folder, "three", "b1", called=1, lesion=0, lung=None),
        line(folder, "four", "b2", called=0, lesion=0, lung=None),
    ]
    return read_manifest(write_manifest(folder / "index.csv", lines))


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
