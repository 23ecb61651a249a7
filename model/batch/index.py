"""What was found, kept on disk: the next run looks only at files that are new or changed, and memory stays small."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from model.batch.headers import DICOM_FILE, OTHER, SERIES, Header
from model.batch.place import Entry, written
from model.batch.studies import Study
from model.errors import Busy, StorageError

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    source TEXT, path TEXT, folder TEXT, version TEXT, kind TEXT, key TEXT, problem TEXT, run INTEGER,
    PRIMARY KEY (source, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS studies ON files (source, kind, key, path);
CREATE INDEX IF NOT EXISTS folders ON files (source, folder, kind, key);
"""

_SCHEMA = 2
"""Of the table above; an index of another one is made anew."""

LOCK = "index.lock"
"""File that a run of all studies holds alone, and runs of parts together."""


class Index:
    """The files of all sources, as the last run found them, in a file that one process uses at a time."""

    def __init__(self, file: Path, *, is_shared: bool = False) -> None:
        """Open or begin it.

        is_shared : whether others, with files of their own, may work in its folder meanwhile.

        Raises
        ------
        Busy : another process uses it, or its folder. NotWritable, StorageError : it cannot be written.
        """
        self._file = file
        with ExitStack() as locks:
            with written(str(file.parent)):
                file.parent.mkdir(parents=True, exist_ok=True)
                locks.enter_context(_locked(file.with_name(LOCK), is_shared=is_shared))
                if is_shared:
                    locks.enter_context(_locked(file.with_suffix(".lock"), is_shared=False))
            with self._telling():
                self._rows = _opened(file)
                (last,) = self._rows.execute("SELECT max(run) FROM files").fetchone()
                self._run = (last or 0) + 1
            # Where something went wrong before, they are let go.
            self._locks = locks.pop_all()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Raise what SQLite raises as StorageError."""
        try:
            yield
        except sqlite3.Error as exc:
            raise StorageError(f"{self._file} cannot be used: {exc}. Make room, or delete it.") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._rows.close()
        self._locks.close()

    def known(self, source: str, entry: Entry) -> Header | None:
        """Return what an earlier run saw of a file; None where it is new or has changed, or could not be read."""
        if entry.problem:
            return None
        query = "SELECT kind, key FROM files WHERE source = ? AND path = ? AND version = ? AND problem = ''"
        row = self._rows.execute(query, (source, entry.path, entry.version)).fetchone()
        return None if row is None else Header(*row)

    def add(self, source: str, found: Iterable[tuple[Entry, Header]]) -> None:
        """Keep what this run saw."""
        with self._telling(), self._rows:
            self._rows.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        source,
                        entry.path,
                        str(PurePosixPath(entry.path).parent),
                        entry.version,
                        header.kind,
                        header.key,
                        header.problem,
                        self._run,
                    )
                    for entry, header in found
                ),
            )

    def forget_others(self) -> None:
        """Forget the files that this run has not seen."""
        with self._telling(), self._rows:
            self._rows.execute("DELETE FROM files WHERE run != ?", (self._run,))

    def others(self) -> int:
        """Return how many files are none of a scan's."""
        (count,) = self._rows.execute("SELECT count(*) FROM files WHERE kind = ?", (OTHER,)).fetchone()
        return int(count)

    def is_empty(self) -> bool:
        """Whether there is no study."""
        query = "SELECT NOT EXISTS (SELECT 1 FROM files WHERE kind != ?)"
        return bool(self._rows.execute(query, (OTHER,)).fetchone()[0])

    def studies(self) -> Iterator[Study]:
        """Yield the studies, always in the same order.

        A DICOM file that was cut short belongs to the series that it names, or, where it names none, to the only one of
        its folder: the series must not be measured as if it were whole without it.
        """
        query = """
            WITH series AS (
                SELECT DISTINCT source, key FROM files WHERE kind = ?1
            ), alone AS (
                SELECT source, folder, min(key) AS key FROM files WHERE kind = ?1
                GROUP BY source, folder HAVING count(DISTINCT key) = 1
            ), joined AS (
                SELECT files.source, coalesce(series.key, alone.key) AS whole, files.kind, files.key, files.path,
                    files.version, files.problem
                FROM files
                LEFT JOIN series ON files.kind = ?2 AND files.source = series.source AND files.key = series.key
                LEFT JOIN alone ON files.kind = ?2 AND files.source = alone.source AND files.folder = alone.folder
                    AND files.key = files.path
                WHERE files.kind != ?3
            ), studies AS (
                SELECT source, iif(whole IS NULL, kind, ?1) AS kind, coalesce(whole, key) AS key, path, version, problem
                FROM joined
            )
            SELECT *, min(path) OVER (PARTITION BY source, kind, key) AS first FROM studies
            ORDER BY source, first, kind, key, path
        """
        with self._telling():
            rows = self._rows.execute(query, (SERIES, DICOM_FILE, OTHER))
            for (source, kind, key), files in groupby(rows, key=lambda row: row[:3]):
                paths, versions, problems, _ = zip(*(row[3:] for row in files), strict=True)
                yield Study(source, kind, key, paths, versions, problems[0])


def _locked(file: Path, *, is_shared: bool) -> IO[bytes]:
    handle = file.open("ab")
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        handle.close()
        raise Busy(
            f"Another run writes to {file.parent}. Wait for it, choose another --out, or share the work by --shard."
        ) from exc
    return handle


def _opened(file: Path) -> sqlite3.Connection:
    rows = sqlite3.connect(file)
    try:
        (fine,) = rows.execute("PRAGMA quick_check").fetchone()
        (schema,) = rows.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError:
        fine, schema = "", 0
    if fine != "ok" or schema not in (0, _SCHEMA):
        # It holds nothing that cannot be found again.
        rows.close()
        for part in (file, file.with_name(f"{file.name}-journal")):
            part.unlink(missing_ok=True)
        rows = sqlite3.connect(file)
    rows.executescript(f"{_TABLE} PRAGMA user_version = {_SCHEMA};")
    return rows
