"""Counts that all processes of a server on one machine share: a small SQLite file, for the library `limits`."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from limits.storage import Storage

_TABLE = "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, expires REAL) WITHOUT ROWID"

# One statement, so that of several processes none counts between another's look and its word.
_COUNT = """
INSERT INTO hits VALUES (:key, :amount, :now + :expiry) ON CONFLICT (key) DO UPDATE SET
    count = :amount + CASE WHEN expires > :now THEN count ELSE 0 END,
    expires = CASE WHEN expires > :now THEN expires ELSE :now + :expiry END
RETURNING count
"""

_WAITS_AT_MOST_S = 2.0


class FileCounters(Storage):
    """Counters by key, each of which begins anew after a time; `limits.storage.Storage` has what the methods mean."""

    STORAGE_SCHEME = None

    def __init__(self, path: Path) -> None:
        super().__init__(wrap_exceptions=False)
        self._path = path

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Return what goes wrong with the file."""
        return sqlite3.Error, OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the count."""
        now = time.time()
        with self._open() as file:
            row = file.execute(_COUNT, {"key": key, "amount": amount, "now": now, "expiry": expiry}).fetchone()
            if row[0] == amount:
                # Somebody begins anew: the time to forget who has not come back.
                file.execute("DELETE FROM hits WHERE expires <= ?", (now,))
        return int(row[0])

    def get(self, key: str) -> int:
        """Return the count; 0 where there is none, or its time is over."""
        return int(self._look(key)[0])

    def get_expiry(self, key: str) -> float:
        """Return when a count begins anew, in seconds since the epoch; now where there is none."""
        return float(self._look(key)[1])

    def check(self) -> bool:
        """Whether the file can be used."""
        try:
            with self._open():
                return True
        except self.base_exceptions:
            return False

    def reset(self) -> int:
        """Forget all counts; return how many."""
        with self._open() as file:
            return file.execute("DELETE FROM hits").rowcount

    def clear(self, key: str) -> None:
        """Forget a count."""
        with self._open() as file:
            file.execute("DELETE FROM hits WHERE key = ?", (key,))

    def _look(self, key: str) -> tuple[int, float]:
        now = time.time()
        with self._open() as file:
            row = file.execute("SELECT count, expires FROM hits WHERE key = ? AND expires > ?", (key, now)).fetchone()
        return row or (0, now)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give the file, each statement a transaction of its own."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite would let everybody on the machine read it.
        self._path.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(self._path, timeout=_WAITS_AT_MOST_S, isolation_level=None)) as file:
            # What is lost when the machine loses power is who asked how often in the last minute.
            file.execute("PRAGMA synchronous = OFF")
            file.execute(_TABLE)
            yield file
