"""The lines of a CSV with the columns that are asked for, and which of them are meant."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Condition:
    """A column of a table and the value that it must have, as NAME=VALUE on the command line."""

    column: str
    value: str

    def holds(self, line: dict[str, str]) -> bool:
        """Whether a line fulfils it."""
        return line[self.column] == self.value


def parse_condition(text: str) -> Condition:
    """Read NAME=VALUE, for argparse.

    Raises
    ------
    argparse.ArgumentTypeError : it is not of that form.
    """
    column, sign, value = text.partition("=")
    if not column or not sign:
        raise argparse.ArgumentTypeError(f"must be COLUMN=VALUE, got {text!r}")
    return Condition(column, value)


def read_table(file: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Return the lines of a CSV with a header, by the names of its columns.

    Raises
    ------
    FileNotFoundError : the file does not exist.
    ValueError : one of `columns` is missing.
    """
    # Spreadsheets put a byte order mark before the first column.
    with file.open(newline="", encoding="utf-8-sig") as content:
        reader = csv.DictReader(content)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(f"{file} lacks the columns {', '.join(missing)}")
        return list(reader)


def write_table(file: Path, columns: Sequence[str], lines: Iterable[dict[str, object]]) -> None:
    """Write a CSV with a header; a line may leave columns out."""
    with file.open("w", newline="", encoding="utf-8") as content:
        table = csv.DictWriter(content, columns)
        table.writeheader()
        table.writerows(lines)
