"""Slices on which lungs were not drawn -> the same slices with lung masks, as further slices for training.

python -m training.complete --manifest ../shared/data/ct-lesions/index.csv --out runs/labels/ends

The lungs are followed from the slices where they were drawn (training.data.ends). Only patients of the split "train"
are taken. OUT/index.csv is a manifest for [[extra]] of a configuration.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from training.commands import sentences
from training.data.dataset import Row, describe_manifest, read_manifest, read_sample
from training.data.ends import complete
from training.data.labels import refuse_labels, write_labels, write_picture
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
    refuse_labels(out)
    rows = sorted(
        (row for row in read_manifest(manifest) if row.split == "train"),
        key=lambda row: (row.scan, row.slice_index),
    )
    lines = [
        _write(out, row, lung, number)
        for number, (row, lung) in enumerate(
            followed for _, scan in groupby(rows, key=lambda row: row.scan) for followed in _followed(list(scan))
        )
    ]
    if not lines:
        raise ValueError(f"{manifest} has no training slice without lung mask beside slices with one")
    log.info("%d slices in %s", len(lines), out)
    return write_labels(out, lines, {"made_by": "training.complete", "manifest": describe_manifest(manifest)})


def _followed(scan: Sequence[Row]) -> Iterator[tuple[Row, ByteImage]]:
    samples = [read_sample(row) for row in scan]
    found = complete([sample.image for sample in samples], [sample.lung for sample in samples])
    for row, lung in zip(scan, found, strict=True):
        if row.lung is None and lung is not None:
            yield row, lung


def _write(out: Path, row: Row, lung: ByteImage, number: int) -> dict[str, object]:
    return {
        "image": str(row.image.resolve()),
        "mask": str(row.mask.resolve()),
        "lung": write_picture(out, f"{number:05d}_{row.image.stem}.png", lung),
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
