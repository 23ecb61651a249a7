"""One file on disk for all the files of an upload: a series has thousands, and a process may open only so many."""

from __future__ import annotations

import io
import os
from tempfile import TemporaryFile
from typing import Any


class Spool:
    """A file without a name that parts are written into, one after the other."""

    def __init__(self) -> None:
        self.file = TemporaryFile("rb+", buffering=0)
        self.length = 0

    def part(self) -> Part:
        """Begin a part; whatever was begun before it is complete."""
        return Part(self)

    def close(self) -> None:
        """Give the file back, with all its parts."""
        self.file.close()


class Part(io.RawIOBase):
    """A part of a spool as a file of its own: written once, from its beginning to its end, then read as one likes."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._start = spool, spool.length
        self._length = self._at = 0

    def write(self, data: Any) -> int:
        """Add bytes at the end."""
        view = memoryview(data)
        written = 0
        while written < len(view):
            written += os.pwrite(self._spool.file.fileno(), view[written:], self._spool.length + written)
        self._spool.length += written
        self._length += written
        self._at = self._length
        return written

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return how many bytes."""
        wanted = min(len(buffer), max(0, self._length - self._at))
        piece = os.pread(self._spool.file.fileno(), wanted, self._start + self._at)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def seekable(self) -> bool:
        """Whether one can go to a place."""
        return True
