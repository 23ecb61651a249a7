"""Which slices train and which validate: by the manifest, by folds of patients, or by source.

Nobody of the manifest's split "val" is touched by the two latter: they are rulers over the training patients alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from training.data.dataset import Row


def split_rows(rows: Sequence[Row], hold_out: str | None = None) -> tuple[list[Row], list[Row]]:
    """Return the slices that train and those that validate, each in the order of the manifest.

    Parameters
    ----------
    hold_out : None, by the manifest's column `split`; "source=NAME", that source's training patients validate;
        "fold=K/N", every N-th training patient, beginning with the K-th, validates (K from 1, patients by source and
        name).

    Raises
    ------
    ValueError : `hold_out` is none of these, or one side has no slice.
    """
    if hold_out is None:
        return _both([row for row in rows if row.split == "train"], [row for row in rows if row.split == "val"], rows)
    candidates = [row for row in rows if row.split == "train"]
    held = _held_out(candidates, hold_out)
    return _both([row for row in candidates if row not in held], [row for row in candidates if row in held], rows)


def _both(training: list[Row], validation: list[Row], rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    for name, side in (("train", training), ("validate", validation)):
        if not side:
            raise ValueError(f"of {len(rows)} slices in the manifest, no slice is left to {name}")
    return training, validation


def _held_out(rows: Sequence[Row], hold_out: str) -> set[Row]:
    if match := re.fullmatch(r"source=(.+)", hold_out):
        return {row for row in rows if row.source == match[1]}
    if (match := re.fullmatch(r"fold=(\d+)/(\d+)", hold_out)) and 1 <= int(match[1]) <= int(match[2]):
        patients = sorted({(row.source, row.patient) for row in rows})
        chosen = set(patients[int(match[1]) - 1 :: int(match[2])])
        return {row for row in rows if (row.source, row.patient) in chosen}
    raise ValueError(f"hold_out must be 'source=NAME' or 'fold=K/N' with K from 1 to N, got {hold_out!r}")


def leave_out_patients(rows: Sequence[Row], validation: Sequence[Row]) -> list[Row]:
    """Return the rows of further slices whose patients do not validate, so that no manifest brings one in again.

    Raises
    ------
    ValueError : a row's split is not "train", or no row is left.
    """
    for row in rows:
        if row.split != "train":
            raise ValueError(f"{row.image} has split {row.split!r}: further slices are for training only")
    patients = {(row.source, row.patient) for row in validation}
    images = {row.image.resolve() for row in validation}
    kept = [row for row in rows if (row.source, row.patient) not in patients and row.image.resolve() not in images]
    if not kept:
        raise ValueError(f"all {len(rows)} further slices are of patients who validate: leave their manifest out")
    return kept
