"""Lesion Dice of what is served against that of the Keras form, on the validation slices; needs the scans."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.weights import KERAS_WEIGHTS, SERVED_WEIGHTS
from model.engine import load_engine
from training.data.dataset import MANIFEST, Row, describe_manifest, read_manifest
from training.data.splits import split_rows
from training.measures.accuracy import compare, measure_accuracy

QUICK = 8
"""Every so many-th slice where it is to be quick."""


def measure(*, quick: bool, manifest: Path = MANIFEST) -> Figures:
    """Return Dice of both and what is lost, over all slices and of the worst patient; None with the reason where the
    scans are not there."""
    if not manifest.is_file():
        why = f"the scans are not here; GROUNDGLASS_DATA names the folder that holds {manifest.parent.name}"
        return {"lost_pooled": None, "lost_worst_patient": None, "absent": why}
    return measure_slices(manifest, every=QUICK if quick else 1)


def measure_slices(manifest: Path, *, every: int = 1) -> Figures:
    """Return the same for every so many-th validation slice of a manifest."""
    rows: list[Row] = list(split_rows(read_manifest(manifest))[1])[::every]
    original = measure_accuracy(load_engine(KERAS_WEIGHTS), rows)
    served = measure_accuracy(load_engine(SERVED_WEIGHTS), rows)
    loss = compare(original, served)
    return {
        "manifest": describe_manifest(manifest),
        "slices": len(rows),
        "keras_dice": original.as_dict(),
        "served_dice": served.as_dict(),
        "lost_pooled": loss.pooled,
        "lost_worst_patient": loss.worst_patient,
    }
