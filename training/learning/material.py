"""The slices of a run: read once, before its folder is made."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from training.data.dataset import Row, read_manifest, read_sample, read_scans
from training.data.mixture import Mixture, mix
from training.data.sample import Sample
from training.data.splits import leave_out_patients, split_rows
from training.learning.ancestry import refuse_seen, teachers
from training.learning.config import Config


@dataclass(frozen=True)
class Material:
    """The slices of a run: the labelled ones first, then those of each further manifest."""

    training: list[Sample]
    mixture: Mixture
    validation: list[Sample]

    def fingerprint(self) -> int:
        """Return the CRC-32 of all slices, their masks and sizes: one for all who learn the same."""
        value = zlib.crc32(repr(self.mixture).encode())
        for part in (self.training, self.validation):
            value = zlib.crc32(str(len(part)).encode(), value)
            for sample in part:
                value = _add(sample, value)
        return value


def _add(sample: Sample, value: int) -> int:
    for picture in (sample.image, sample.lesion, sample.lung):
        shape, content = (None, b"") if picture is None else (picture.shape, picture.tobytes())
        value = zlib.crc32(content, zlib.crc32(repr(shape).encode(), value))
    for neighbour in sample.beside:
        value = _add(neighbour, value)
    return value


def read_material(config: Config, data: Path) -> Material:
    """Read what a configuration trains and validates on.

    data : folder that the configuration's manifest is relative to.

    Raises
    ------
    ValueError : a manifest leaks patients or lacks slices, or the weights to begin with, or a teacher of further
        slices, have learned from patients who validate.
    """
    rows = read_manifest(data / config.manifest)
    training, validation = split_rows(rows, config.hold_out)
    untouched = [*validation, *(row for row in rows if row.split == "val")]
    begun = [] if config.start_from is None else [Path(config.start_from)]
    refuse_seen(untouched, [*begun, *teachers(Path(extra.manifest) for extra in config.extra)], data)
    parts = [read_scans(_thin(training, config.max_slices))]
    for extra in config.extra:
        further = leave_out_patients(read_manifest(Path(extra.manifest)), untouched)
        parts.append(_read(further, config.max_slices))
    mixture = mix([len(part) for part in parts], [extra.share for extra in config.extra], config.slices_per_epoch)
    return Material(list(chain.from_iterable(parts)), mixture, _read(validation, config.max_slices))


def _read(rows: Sequence[Row], max_slices: int | None) -> list[Sample]:
    return [read_sample(row) for row in _thin(rows, max_slices)]


def _thin(rows: Sequence[Row], max_slices: int | None) -> Sequence[Row]:
    if max_slices is None:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(max_slices, len(rows)), dtype=int)]
