"""Batches as people start them, in processes of their own; what they have written."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]

MOST_S = 240.0


def start(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start `python -m model batch`."""
    command = [sys.executable, "-m", "model", "batch", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for its end, and return what it said."""
    with process:
        _, said = process.communicate(timeout=MOST_S)
    return said


def rows_in(out: Path) -> list[dict[str, Any]]:
    """Return the rows of the Parquet table, after a look at whether the CSV has the same ones."""
    rows: list[dict[str, Any]] = pq.read_table(out / "results.parquet").to_pylist()
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        assert [row["study"] for row in csv.DictReader(file)] == [row["study"] for row in rows]
    return rows


def without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what differs from run to run."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def row_files(out: Path) -> dict[str, int]:
    """Return the rows that are done, and when each was written, in nanoseconds."""
    return {file.name: file.stat().st_mtime_ns for file in out.glob("rows/*/*.json")}


def wait_for_rows(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many rows are done by a process, which must not end before."""
    until = time.monotonic() + MOST_S
    while len(row_files(out)) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
