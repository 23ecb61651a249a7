"""Many files in, one folder out: the work behind `python -m model segment`."""

from __future__ import annotations

import csv
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from model.decode import MAX_FILE_MB
from model.engine import SHIPPED_WEIGHTS, Engine
from model.ensemble import load_ensemble
from model.errors import GroundglassError, MissingFile, TooLarge
from model.findings import Findings
from model.overlay import render_pictures
from model.segment import Segmentation, segment

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""What is taken from a folder; a file that is named itself may be called anything."""

COLUMNS = ("input", "name", *Findings.__dataclass_fields__, "quality", "model_id", "model_sha256", "notes")


@dataclass(frozen=True)
class Options:
    """How slices are read: the threshold, and whether several looks are averaged."""

    threshold: float
    quality: bool = False


def run(inputs: Sequence[Path], *, out: Path, options: Options, weights: Sequence[Path] = ()) -> int:
    """Segment files and folders of files, by the shipped weights unless others are named.

    Writes NAME_overlay.png, NAME_mask.png, NAME_probability.png and a row of measurements.csv for each readable
    input; the table replaces that of an earlier run. Complaints go to standard error.

    Returns
    -------
    Exit status: 0 all done, 1 some inputs failed, 2 nothing could be done.
    """
    try:
        engine = load_ensemble(weights or [SHIPPED_WEIGHTS])
        out.mkdir(parents=True, exist_ok=True)
        failed = _segment_all(_name(_expand(inputs)), engine, out, options)
    except (GroundglassError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 1 if failed else 0


def _segment_all(named: Sequence[tuple[Path, str]], engine: Engine, out: Path, options: Options) -> int:
    """Segment each (file, name); return how many failed."""
    failed = 0
    with (out / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for path, name in tqdm(named, unit="slice", disable=None):
            try:
                segmentation = segment(_read(path), engine, threshold=options.threshold, quality=options.quality)
                _write_pictures(segmentation, out, name)
            except (GroundglassError, OSError) as exc:
                failed += 1
                tqdm.write(f"{path}: {_reason(exc)}", file=sys.stderr)
                continue
            table.writerow(_row(path, name, segmentation))
            file.flush()
    return failed


def _expand(inputs: Sequence[Path]) -> Iterator[Path]:
    """Yield the files, and the pictures that lie directly in the folders, by name."""
    for path in inputs:
        pictures = sorted(path.iterdir()) if path.is_dir() else []
        pictures = [file for file in pictures if file.suffix.lower() in SUFFIXES]
        # A folder without pictures goes on as it is, to be complained of.
        yield from pictures or [path]


def _name(paths: Iterator[Path]) -> list[tuple[Path, str]]:
    """Give each file a name for its outputs: its stem, numbered where another file has taken it already."""
    taken: set[str] = set()
    named = []
    for path in paths:
        name, number = path.stem, 1
        # Case is ignored, since some file systems do.
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name.casefold())
        named.append((path, name))
    return named


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise MissingFile(f"The folder holds no picture ({', '.join(SUFFIXES)}).")
    size = path.stat().st_size
    if size > MAX_FILE_MB * 1_000_000:
        raise TooLarge(f"The file has {size / 1e6:.0f} MB; at most {MAX_FILE_MB} MB are read.")
    return path.read_bytes()


def _reason(exc: Exception) -> str:
    return str(exc.strerror) if isinstance(exc, OSError) else str(exc)


def _write_pictures(segmentation: Segmentation, out: Path, name: str) -> None:
    for kind, png in render_pictures(segmentation).items():
        (out / f"{name}_{kind}.png").write_bytes(png)


def _row(path: Path, name: str, segmentation: Segmentation) -> dict[str, object]:
    identity = segmentation.model
    return segmentation.findings.as_dict() | {
        "input": _as_text(str(path)),
        "name": _as_text(name),
        "quality": segmentation.quality,
        "model_id": identity.model_id,
        "model_sha256": identity.sha256,
        "notes": " ".join(segmentation.ct_slice.notes),
    }


def _as_text(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(("=", "+", "-", "@")) else cell
