"""What a place is: a folder of this machine or of an object store, by which studies come and results go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from model.errors import GroundglassError


class BadPlace(GroundglassError):
    """An address that names no folder that can be read or written."""


@dataclass(frozen=True)
class Entry:
    """A file that a listing found, or what could not be listed.

    path : as its place understands it. version : changes when the file does.
    problem : why the file, or the folder of this path, cannot be read; empty where nothing is wrong.
    """

    path: str
    version: str = ""
    problem: str = ""


class Place(Protocol):
    """A folder and what is below. Paths are relative to it, with / between their parts."""

    @property
    def address(self) -> str:
        """Where it is, as `model.batch.addresses.place_of` takes it."""

    @property
    def is_local(self) -> bool:
        """Whether it belongs to this machine, or looks so."""

    def walk(self, without: Place) -> Iterator[Entry]:
        """Yield every file, folder by folder, but what lies in another place; what cannot be listed with its problem.

        Raises
        ------
        OSError : the place itself cannot be reached.
        """

    def open(self, path: str) -> IO[bytes]:
        """Open a file to be read; raises OSError."""

    def fetch(self, path: str, folder: Path) -> Path:
        """Return a file as one of this machine, copied into a folder where it is none; raises OSError."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None where there is none; raises OSError where it cannot be read."""

    def write(self, path: str, content: bytes) -> None:
        """Write a file, whole or not at all; raises OSError."""

    def bring(self, file: Path, path: str) -> None:
        """Bring a file of this machine to a path, whole or not at all; raises OSError."""

    def put(self, folder: Path, path: str) -> None:
        """Bring the files of a folder of this machine to a path, in place of what lies there; raises OSError."""

    def tidy(self) -> None:
        """Remove what runs that were killed have left half written; raises OSError."""


def reason(exc: OSError) -> str:
    """Return why something could not be read or written, in a few words.

    >>> reason(FileNotFoundError(2, "No such file or directory")), reason(OSError("no network"))
    ('No such file or directory', 'no network')
    """
    return exc.strerror or str(exc) or type(exc).__name__
