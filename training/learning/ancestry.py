"""Which patients weights have learned from, told by the configurations of the runs that led to them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from training.data.dataset import Row, read_manifest
from training.data.labels import LABELS
from training.data.splits import split_rows

log = logging.getLogger(__name__)

Patient = tuple[str, str]
"""Source and name."""


def refuse_seen(held_out: Iterable[Row], weights: Iterable[Path], data: Path) -> None:
    """Raise where one of some weights has learned from a patient who is held out.

    Parameters
    ----------
    weights : files that a run begins with or whose labels it learns from.
    data : folder that the runs' manifests are relative to.

    Raises
    ------
    ValueError : one has.
    """
    held = {(row.source, row.patient) for row in held_out}
    for file in weights:
        if seen := sorted(held & learned_from(file, data)):
            names = ", ".join(patient for _, patient in seen)
            raise ValueError(f"{file} has learned from {names}, who validate here: begin with weights that have not")


def learned_from(weights: Path, data: Path) -> set[Patient]:
    """Return the patients that weights have learned from, in their own run and in all that led to it.

    Weights without the folder of a run around them tell nothing; a warning says so.
    """
    found: set[Patient] = set()
    waiting, known = [weights.resolve()], set[Path]()
    while waiting:
        file = waiting.pop()
        if file in known:
            continue
        known.add(file)
        config = _config_of(file)
        if config is None:
            log.warning("nothing tells which patients %s has learned from", file)
            continue
        if "soup" not in config:
            training, _ = split_rows(read_manifest(data / config["manifest"]), config.get("hold_out"))
            found |= {(row.source, row.patient) for row in training}
        further = (Path(extra["manifest"]) for extra in config.get("extra", []))
        waiting += [parent.resolve() for parent in (*origins(config), *teachers(further))]
    return found


def origins(config: dict[str, Any]) -> list[Path]:
    """Return the weights that a run began with, or that went into a soup."""
    begun = config.get("start_from")
    return [Path(weights) for weights in config.get("soup", [begun] if begun else [])]


def teachers(manifests: Iterable[Path]) -> Iterator[Path]:
    """Yield the weights that made the labels of manifests, where it is written down beside them."""
    for manifest in manifests:
        file = manifest.with_name(LABELS)
        if file.exists():
            for teacher in json.loads(file.read_text(encoding="utf-8")).get("teachers", []):
                yield Path(teacher["weights"])


def _config_of(weights: Path) -> dict[str, Any] | None:
    """Return the configuration of the run whose folder, or folder of a stage, holds the weights."""
    for folder in (weights.parent, weights.parent.parent):
        if (folder / "config.json").is_file():
            config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return config
    return None
