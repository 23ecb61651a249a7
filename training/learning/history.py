"""What a stage of training has done so far, read from its folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

MONITOR = "val_lesion_dice"
"""The column of log.csv by which the best epoch is chosen."""


def finished_epochs(folder: Path) -> int:
    """Return how many epochs the backup in a stage's folder holds."""
    file = folder / "backup" / "training_metadata.json"
    return int(json.loads(file.read_text())["epoch"]) if file.exists() else 0


def read_history(file: Path) -> list[dict[str, str]]:
    """Return the rows of a log.csv, one per epoch in order; an epoch that was run twice counts once, the last time."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        by_epoch = {int(row["epoch"]): row for row in csv.DictReader(lines)}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]
