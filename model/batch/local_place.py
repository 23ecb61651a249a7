"""A folder of this machine, or one that is mounted on it."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from model.batch.place import BadPlace, Entry, Place, reason

DRAFTS = "drafts"
"""Folder in which files are written before they are renamed."""

OLD_S = 24 * 3600.0
"""A draft of this age is nobody's: other runs, on other machines, may be writing theirs."""


class LocalPlace:
    """A folder. A single file is a place with one file in it."""

    is_local = True

    def __init__(self, path: Path) -> None:
        """Take a path, from the working folder unless it is absolute.

        Raises
        ------
        BadPlace : its name is not in UTF-8, so that no table can hold it.
        """
        whole = Path.cwd() / path
        self.address = os.path.normpath(whole)
        try:
            self.address.encode()
        except UnicodeEncodeError as exc:
            raise BadPlace(f"{self.address!r} is no name in UTF-8: rename the folder.") from exc
        self._one = whole.name if whole.is_file() else None
        self.folder = whole.parent if self._one else Path(self.address)

    def walk(self, without: Place) -> Iterator[Entry]:
        """Yield the files; links are followed, each folder once."""
        if self._one is not None:
            yield _entry(self.folder / self._one, self._one)
            return
        # Here, so that a folder that is not there is an error of its own, not an entry.
        self.folder.stat()
        seen = set()
        if isinstance(without, LocalPlace):
            with suppress(OSError):
                seen.add(_inode(without.folder))
        yield from _below(self.folder, "", seen)

    def open(self, path: str) -> IO[bytes]:
        """Open a file."""
        return (self.folder / path).open("rb")

    def fetch(self, path: str, folder: Path) -> Path:
        """Return the file itself."""
        return self.folder / path

    def read(self, path: str) -> bytes | None:
        """Return a file's content."""
        with suppress(FileNotFoundError):
            return (self.folder / path).read_bytes()
        return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file apart, then rename it."""
        self._rename_into(path, lambda draft: draft.write_bytes(content))

    def bring(self, file: Path, path: str) -> None:
        """Copy a file apart, then rename it."""
        self._rename_into(path, lambda draft: shutil.copyfile(file, draft))

    def put(self, folder: Path, path: str) -> None:
        """Copy a folder apart, then rename it."""
        shutil.rmtree(self.folder / path, ignore_errors=True)
        self._rename_into(path, lambda draft: shutil.copytree(folder, draft))

    def _rename_into(self, path: str, write: Callable[[Path], object]) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # By a name of its own, so that two processes that write the same do not disturb each other.
        drafts = self.folder / DRAFTS
        drafts.mkdir(exist_ok=True)
        draft = drafts / uuid.uuid4().hex
        try:
            write(draft)
            draft.replace(target)
        finally:
            _remove(draft)

    def tidy(self) -> None:
        """Remove drafts that nobody can be writing any more."""
        for draft in (self.folder / DRAFTS).glob("*"):
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < time.time() - OLD_S:
                    _remove(draft)


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    draft.unlink(missing_ok=True)


def _inode(folder: Path) -> tuple[int, int]:
    about = folder.stat()
    return about.st_dev, about.st_ino


def _below(folder: Path, prefix: str, seen: set[tuple[int, int]]) -> Iterator[Entry]:
    """Yield the files of a folder and of those below that were not seen yet: a link may lead around."""
    try:
        inode = _inode(folder)
        if inode in seen:
            return
        seen.add(inode)
        with os.scandir(folder) as listed:
            found = sorted(listed, key=lambda entry: entry.name)
    except OSError as exc:
        yield Entry(_in_utf8(prefix.rstrip("/")), problem=f"The folder cannot be read: {reason(exc)}.")
        return
    for entry in found:
        # Of a path: an entry raises where a link leads to itself.
        if (folder / entry.name).is_dir():
            yield from _below(folder / entry.name, f"{prefix}{entry.name}/", seen)
        # Neither pipes nor sockets, which would never end; a link that leads nowhere is to be told.
        elif (folder / entry.name).is_file() or _is_dead(folder / entry.name):
            yield _entry(folder / entry.name, f"{prefix}{entry.name}")


def _is_dead(file: Path) -> bool:
    return file.is_symlink() and not file.exists()


def _entry(file: Path, path: str) -> Entry:
    if _in_utf8(path) != path:
        return Entry(_in_utf8(path), problem="The name of the file, or of its folder, is not in UTF-8: rename it.")
    try:
        about = file.stat()
    except OSError as exc:
        return Entry(path, problem=f"The file cannot be read: {reason(exc)}.")
    return Entry(path, f"{about.st_size}-{about.st_mtime_ns}")


def _in_utf8(path: str) -> str:
    """Return a path with a mark for each byte that is no UTF-8."""
    return os.fsencode(path).decode(errors="replace")
