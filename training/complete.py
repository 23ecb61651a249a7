"""Slices on which lungs were not drawn -> the same slices with lung masks, as further slices for training.

python -m training.complete --manifest ../shared/data/ct-lesions/index.csv --out runs/labels/ends

The lungs are followed from the slices where they were drawn (training.data.ends). Only patients of the split "train"
are taken. OUT/index.csv is a manifest for [[extra]] of a configuration.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import cv2

from training.commands import sentences
from training.data.dataset import COLUMNS, LABELS, Row, describe_manifest, read_manifest, read_sample
from training.data.ends import complete
from training.data.strokes import ByteImage

log = logging.getLogger(__name__)


def complete_manifest(manifest: Path, out: Path) -> Path:
    """Write masks and a manifest of all training slices that lack a lung mask, of scans that have one elsewhere.

    Returns
    -------
    The path of the manifest that was written.

    Raises
    ------
    FileExistsError : `out` holds a manifest.
    ValueError : no slice lacks a mask that could be followed.
    """
    if (out / "index.csv").exists():
        raise FileExistsError(f"{out} holds masks already: choose another folder or remove it")
    rows = sorted(
        (row for row in read_manifest(manifest) if row.split == "train"),
        key=lambda row: (*_scan(row), row.slice_index),
    )
    lines = [
        _write(out, row, lung, number)
        for number, (row, lung) in enumerate(
            followed for _, scan in groupby(rows, key=_scan) for followed in _followed(list(scan))
        )
    ]
    if not lines:
        raise ValueError(f"{manifest} has no training slice without lung mask beside slices with one")
    with (out / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(lines)
    content = {"made_by": "training.complete", "manifest": describe_manifest(manifest)}
    (out / LABELS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    log.info("%d slices in %s", len(lines), out)
    return out / "index.csv"


def _scan(row: Row) -> tuple[str, str, str]:
    return row.source, row.patient, row.volume


def _followed(scan: Sequence[Row]) -> Iterator[tuple[Row, ByteImage]]:
    samples = [read_sample(row) for row in scan]
    found = complete([sample.image for sample in samples], [sample.lung for sample in samples])
    for row, lung in zip(scan, found, strict=True):
        if row.lung is None and lung is not None:
            yield row, lung


def _write(out: Path, row: Row, lung: ByteImage, number: int) -> dict[str, object]:
    name = f"{number:05d}_{row.image.stem}.png"
    out.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(bytes(cv2.imencode(".png", lung)[1]))
    return {
        "image": str(row.image.resolve()),
        "mask": str(row.mask.resolve()),
        "lung": name,
        "source": row.source,
        "patient": row.patient,
        "slice": row.slice_index,
        "split": "train",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and complete; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.complete", description="Fill in lung masks.")
    parser.add_argument("--manifest", type=Path, required=True, help="as training.prepare writes it")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        complete_manifest(options.manifest, options.out)


if __name__ == "__main__":
    main()
