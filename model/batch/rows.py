"""The row of a study: what was found, or why nothing could be. A file for each, then one table of all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.batch.place import Place
from model.batch.studies import Study
from model.findings import Findings
from model.reading import VolumeReading
from model.segment import Segmentation
from model.tables import as_text
from model.volume.findings import VolumeFindings
from model.volume.rows import Side
from model.volume.segment import VolumeSegmentation

Row = dict[str, Any]

_ABOUT = {
    "study": pa.string(),
    "source": pa.string(),
    "path": pa.string(),
    "kind": pa.string(),
    "files": pa.int64(),
    "error": pa.string(),
    "error_kind": pa.string(),
    "seconds": pa.float64(),
}

_TYPES = {"int": pa.int64(), "float": pa.float64(), "str": pa.string(), "bool": pa.bool_()}


def _columns(kind: Any, prefix: str = "") -> dict[str, pa.DataType]:
    """Return a column for each figure of a dataclass."""
    fields = {name: str(field.type).partition(" ")[0] for name, field in kind.__dataclass_fields__.items()}
    return {f"{prefix}{name}": _TYPES[told] for name, told in fields.items() if told in _TYPES}


SCHEMA = pa.schema(
    _ABOUT
    | _columns(VolumeFindings)
    | _columns(Side, "right_")
    | _columns(Side, "left_")
    | _columns(Findings)
    | {"quality": pa.bool_(), "model_id": pa.string(), "model_sha256": pa.string(), "notes": pa.string()}
    | {"version": pa.string()}
)
"""The columns of the tables. What one kind of study does not have is null there."""

_KINDS = {
    field.name: {pa.int64(): (int,), pa.float64(): (float, int), pa.string(): (str,), pa.bool_(): (bool,)}[field.type]
    for field in SCHEMA
}
"""What JSON has for each column."""

CHUNK = 2_000
"""Rows that are in memory at once while the tables are written."""

_THREADS = 16


def row_of(study: Study, read: Segmentation | VolumeReading, *, seconds: float) -> Row:
    """Return the row of a study that was read."""
    found: Segmentation | VolumeSegmentation
    if isinstance(read, Segmentation):
        found, figures = read, read.findings.as_dict()
    else:
        found, figures = read.segmentation, read.segmentation.measured.findings.as_row()
    return {
        **_about(study),
        **figures,
        "seconds": seconds,
        "notes": " ".join(found.notes),
    }


def failed_row(study: Study, kind: str, sentence: str, *, seconds: float = 0.0) -> Row:
    """Return the row of a study that could not be read. kind : the class of the error."""
    return {**_about(study), "error": sentence, "error_kind": kind, "seconds": seconds}


def _about(study: Study) -> Row:
    return {
        "study": study.name,
        "source": study.source,
        "path": study.where,
        "kind": study.kind,
        "files": len(study.paths),
    }


def path_of(name: str) -> str:
    """Return where the row of a study lies, in one of 256 folders: few file systems like a million files in one.

    >>> path_of("slice-d34ffb0bcd18f9a4")
    'rows/a4/slice-d34ffb0bcd18f9a4.json'
    """
    return f"rows/{name[-2:]}/{name}.json"


def write_row(out: Place, row: Row) -> None:
    """Write the row of a study; with it the study is done. Raises OSError."""
    out.write(path_of(row["study"]), json.dumps(row, ensure_ascii=False).encode())


def remove_row(out: Place, name: str) -> None:
    """Remove the row of a study, which is not done then. Raises OSError."""
    out.remove(path_of(name))


def read_row(out: Place, name: str) -> Row | None:
    """Return the row of a study; None where there is none, or none that is whole. Raises OSError."""
    content = out.read(path_of(name))
    if content is None:
        return None
    try:
        row = json.loads(content)
    except ValueError:
        return None
    return row if _is_row(row, name) else None


def _is_row(row: object, name: str) -> bool:
    if not isinstance(row, dict) or row.get("study") != name or not isinstance(row.get("version"), str):
        return False
    return all(row.get(column) is None or type(row[column]) in kinds for column, kinds in _KINDS.items())


def rows_of(out: Place, names: Iterable[str]) -> list[Row | None]:
    """Return the rows of a chunk of studies in order, read side by side."""
    with ThreadPoolExecutor(_THREADS, "rows") as threads:
        return list(threads.map(lambda name: read_row(out, name), names))


def write_tables(out: Place, studies: Iterable[tuple[str, str]], scratch: Path, *, ending: str = "") -> int:
    """Gather the rows of studies in results.parquet and results.csv; return how many there are.

    studies : names and versions; what has no row of that version is not read yet, and left out.
    ending : goes before the dot of either name.

    Raises
    ------
    OSError : they cannot be written.
    """
    parquet, text = scratch / "results.parquet", scratch / "results.csv"
    rows, count = _of_versions(out, iter(studies)), 0
    with pq.ParquetWriter(parquet, SCHEMA) as tables, text.open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, SCHEMA.names)
        written.writeheader()
        while chunk := list(islice(rows, CHUNK)):
            count += len(chunk)
            tables.write_table(as_table(chunk))
            written.writerows({name: as_text(row.get(name)) for name in SCHEMA.names} for row in chunk)
    out.bring(parquet, f"results{ending}.parquet")
    out.bring(text, f"results{ending}.csv")
    return count


def _of_versions(out: Place, studies: Iterator[tuple[str, str]]) -> Iterator[Row]:
    while chunk := dict(islice(studies, CHUNK)):
        for row in rows_of(out, chunk):
            if row is not None and row["version"] == chunk[row["study"]]:
                yield row


def as_table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table; what is no column of it is left out."""
    return pa.Table.from_pylist([{name: row.get(name) for name in SCHEMA.names} for row in rows], schema=SCHEMA)
