"""What was found, kept on disk: the next run looks only at files that are new or changed, and memory stays small."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from model.batch.headers import OTHER, Header
from model.batch.place import Entry
from model.batch.studies import Study
from model.errors import Busy

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    source TEXT, path TEXT, version TEXT, kind TEXT, key TEXT, problem TEXT, run INTEGER,
    PRIMARY KEY (source, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS studies ON files (run, source, kind, key, path);
"""

_SCHEMA = 1
"""Of the table above; an index of another one is made anew."""


class Index:
    """The files of all sources, as the last run found them, in a file that one process uses at a time."""

    def __init__(self, file: Path) -> None:
        """Open or begin it.

        Raises
        ------
        Busy : another process uses it. OSError : it cannot be written.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(file.with_suffix(".lock"))
        try:
            self._rows = _opened(file)
        except sqlite3.DatabaseError:
            # It holds nothing that cannot be found again.
            file.unlink(missing_ok=True)
            self._rows = _opened(file)
        (last,) = self._rows.execute("SELECT max(run) FROM files").fetchone()
        self._run = (last or 0) + 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._rows.close()
        self._lock.close()

    def known(self, source: str, entry: Entry) -> Header | None:
        """Return what an earlier run saw of a file; None where it is new or has changed, or could not be read."""
        if entry.problem:
            return None
        query = "SELECT kind, key FROM files WHERE source = ? AND path = ? AND version = ? AND problem = ''"
        row = self._rows.execute(query, (source, entry.path, entry.version)).fetchone()
        return None if row is None else Header(*row)

    def add(self, source: str, found: Iterable[tuple[Entry, Header]]) -> None:
        """Keep what this run saw."""
        with self._rows:
            self._rows.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (source, entry.path, entry.version, header.kind, header.key, header.problem, self._run)
                    for entry, header in found
                ),
            )

    def forget_others(self) -> None:
        """Forget the files that this run has not seen."""
        with self._rows:
            self._rows.execute("DELETE FROM files WHERE run != ?", (self._run,))

    def others(self) -> int:
        """Return how many files are none of a scan's."""
        query = "SELECT count(*) FROM files WHERE run = ? AND kind = ?"
        (count,) = self._rows.execute(query, (self._run, OTHER)).fetchone()
        return int(count)

    def studies(self) -> Iterator[Study]:
        """Yield the studies that this run has seen, always in the same order."""
        query = (
            "SELECT source, kind, key, path, version, problem FROM files WHERE run = ? AND kind != ? "
            "ORDER BY source, kind, key, path"
        )
        rows = self._rows.execute(query, (self._run, OTHER))
        for (source, kind, key), files in groupby(rows, key=lambda row: row[:3]):
            paths, versions, problems = zip(*(row[3:] for row in files), strict=True)
            yield Study(source, kind, key, paths, versions, problems[0])


def _locked(file: Path) -> IO[bytes]:
    handle = file.open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        handle.close()
        raise Busy(
            f"Another run writes to {file.parent}. Wait for it, choose another --out, or share the work by --shard."
        ) from exc
    return handle


def _opened(file: Path) -> sqlite3.Connection:
    rows = sqlite3.connect(file)
    (schema,) = rows.execute("PRAGMA user_version").fetchone()
    if schema not in (0, _SCHEMA):
        rows.execute("DROP TABLE files")
    rows.executescript(f"{_TABLE} PRAGMA user_version = {_SCHEMA};")
    return rows
