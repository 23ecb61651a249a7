"""Masks that were not drawn -> a folder with their manifest and how they were made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.png import encode_png
from training.data.dataset import COLUMNS
from training.data.strokes import ByteImage
from training.data.tables import write_table

LABELS = "labels.json"
"""Beside a manifest whose masks were not drawn: how they were made."""


def refuse_labels(out: Path) -> None:
    """Raise FileExistsError where a folder holds labels, before the long work."""
    if (out / "index.csv").exists():
        raise FileExistsError(f"{out} holds labels already: choose another folder or remove it")


def write_labels(out: Path, lines: Sequence[dict[str, object]], about: dict[str, Any]) -> Path:
    """Write the manifest of a folder of masks, and how they were made; return the manifest's path."""
    manifest = out / "index.csv"
    write_table(manifest, COLUMNS, lines)
    (out / LABELS).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return manifest


def write_picture(folder: Path, name: str, picture: ByteImage) -> str:
    """Write a slice or mask, (H, W) uint8, as PNG: without loss. Return its path in the folder, as manifests have it.

    name : may hold folders; they are made.
    """
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(picture))
    return name
