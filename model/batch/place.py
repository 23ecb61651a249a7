"""What a place is: a folder of this machine or of an object store, by which studies come and results go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


class BatchError(Exception):
    """What ends a batch, with a sentence for whoever started it."""


class NotWritable(BatchError):
    """Results cannot be written: none of any study could be kept."""


class BadPlace(BatchError):
    """An address that names no folder that can be read or written."""


MARK, DRAFTS = ".groundglass-results", ".groundglass-drafts"
"""File by which a folder is known to hold results; folder in which files are written before they are renamed."""

_RESULTS = re.compile(r"rows|studies|(results|index)(-[0-9]+-of-[0-9]+)?\.(parquet|csv|sqlite|sqlite-journal|lock)")


def without_results(names: Sequence[str]) -> list[str]:
    """Return the names in a folder without those of a batch's results, where it holds some.

    >>> without_results(["rows", "scans"]), without_results([MARK, "rows", "results.csv", "scans"])
    (['rows', 'scans'], ['scans'])
    """
    if MARK not in names:
        return list(names)
    return [name for name in names if name not in (MARK, DRAFTS) and not _RESULTS.fullmatch(name)]


@dataclass(frozen=True)
class Entry:
    """A file that a listing found, or what could not be listed.

    path : as its place understands it. version : changes when the file does.
    problem : why it cannot be read; empty where nothing is wrong. is_folder : whether that is a folder, not a file.
    """

    path: str
    version: str = ""
    problem: str = ""
    is_folder: bool = False


class Place(Protocol):
    """A folder and what is below. Paths are relative to it, with / between their parts."""

    @property
    def address(self) -> str:
        """Where it is, as `model.batch.addresses.place_of` takes it."""

    @property
    def is_local(self) -> bool:
        """Whether it belongs to this machine, or looks so."""

    def walk(self) -> Iterator[Entry]:
        """Yield every file, folder by folder, but results of batches; what cannot be listed with its problem.

        Raises
        ------
        OSError : the place itself cannot be reached.
        """

    def open(self, path: str) -> BinaryIO:
        """Open a file to be read; raises OSError."""

    def fetch(self, path: str, folder: Path) -> Path:
        """Return a file as one of this machine, copied into a folder where it is none; raises OSError."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder; raises OSError where that cannot be told."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None where there is none; raises OSError where it cannot be read."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file, whole or not at all; raises OSError."""

    def bring(self, file: Path, path: str) -> None:
        """Bring a file of this machine to a path, whole or not at all; raises OSError."""

    def put(self, folder: Path, path: str) -> None:
        """Bring the files of a folder of this machine to a path, in place of what lies there; raises OSError."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with what is in it; nothing where there is none. Raises OSError."""

    def tidy(self) -> None:
        """Remove what runs that were killed have left half written; raises OSError."""


def reason(exc: OSError) -> str:
    """Return why something could not be read or written, in a few words.

    >>> reason(FileNotFoundError(2, "No such file or directory")), reason(OSError("no network"))
    ('No such file or directory', 'no network')
    """
    return exc.strerror or str(exc) or type(exc).__name__


@contextmanager
def written(what: str) -> Iterator[None]:
    """Tell of an OSError of the block that it means results, called `what` in the sentence; raises NotWritable."""
    try:
        yield
    except OSError as exc:
        raise NotWritable(f"{what} cannot be written: {reason(exc)}.") from exc
