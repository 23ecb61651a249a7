"""Tables that are written while work goes on: a row is in the file as soon as it is known."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class GrowingTable:
    """A CSV file. It begins with its first row, whose keys are its columns; that of an earlier run is removed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)

    def add(self, row: Mapping[str, object]) -> None:
        """Write a row; text that a spreadsheet would take for a formula is marked as text."""
        is_new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow({name: as_text(cell) for name, cell in row.items()})


def as_text(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula.

    >>> as_text("=cmd"), as_text(-1.5)
    ("'=cmd", -1.5)
    """
    return "'" + cell if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
