"""A folder of this machine, or one that is mounted on it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from model.batch.place import DRAFTS, BadPlace, Entry, reason, without_results

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
        # Where a link comes before "..", only the system knows what is meant.
        self.address = str(whole.resolve()) if ".." in path.parts else os.path.normpath(whole)
        try:
            self.address.encode()
        except UnicodeEncodeError as exc:
            raise BadPlace(f"{self.address!r} is no name in UTF-8: rename the folder.") from exc
        self._one = Path(self.address).name if Path(self.address).is_file() else None
        self.folder = Path(self.address).parent if self._one else Path(self.address)

    @property
    def is_there(self) -> bool:
        """Whether there is anything: a folder on which a share should be mounted, and is not, is empty."""
        with suppress(OSError):
            return self._one is not None or next(self.folder.iterdir(), None) is not None
        return False

    def walk(self) -> Iterator[Entry]:
        """Yield the files; links are followed, each folder once."""
        if self._one is not None:
            yield from _look_at(self.folder / self._one, self._one, [])
            return
        # Here, so that a folder that is not there is an error of its own, not an entry.
        self.folder.stat()
        seen = set[tuple[int, int]]()
        # A stack, not recursion: folders may be nested as deep as the system takes.
        folders = [(self.folder, "")]
        while folders:
            yield from _in_folder(*folders.pop(), seen, folders)

    def open(self, path: str) -> BinaryIO:
        """Open a file."""
        return (self.folder / path).open("rb")

    def fetch(self, path: str, folder: Path) -> Path:
        """Return the file itself."""
        return self.folder / path

    def exists(self, path: str) -> bool:
        """Whether there is something."""
        return (self.folder / path).exists()

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
            _rename(draft, target)
        finally:
            _discard(draft)

    def remove(self, path: str) -> None:
        """Remove a file or a folder."""
        _remove(self.folder / path)

    def tidy(self) -> None:
        """Remove drafts that nobody can be writing any more."""
        for draft in (self.folder / DRAFTS).glob("[0-9a-f]" * 32):
            with suppress(FileNotFoundError):
                if draft.lstat().st_mtime < time.time() - OLD_S:
                    _discard(draft)


def _rename(draft: Path, target: Path) -> None:
    """Bring a draft to its place. Of a folder that is there, nothing stays.

    Others may write the same folder at the same time: one of the folders, whole, is there at the end.
    """
    if _takes(target, draft):
        return
    # Moved in one step: a folder that is emptied in its place might be another's, come while it is being emptied.
    old = draft.with_name(uuid.uuid4().hex)
    with suppress(FileNotFoundError):
        target.replace(old)
    try:
        # If not, another's has come since, and stands: as if it had been written just after this one.
        _takes(target, draft)
    except OSError:
        with suppress(OSError):
            old.replace(target)
        raise
    finally:
        _discard(old)


def _takes(target: Path, draft: Path) -> bool:
    """Bring a draft to its place unless a folder with files in it is there. Return whether it is done."""
    try:
        draft.replace(target)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _discard(draft: Path) -> None:
    """Remove a draft, or leave it, where somebody else's file in a folder that was moved aside cannot be removed."""
    with suppress(OSError):
        _remove(draft)


def _remove(what: Path) -> None:
    if what.is_dir() and not what.is_symlink():
        shutil.rmtree(what, ignore_errors=True)
    what.unlink(missing_ok=True)


def _inode(folder: Path) -> tuple[int, int]:
    about = folder.stat()
    return about.st_dev, about.st_ino


Folders = list[tuple[Path, str]]
"""Folders to be looked through, each with what comes before the names in it."""


def _in_folder(folder: Path, prefix: str, seen: set[tuple[int, int]], folders: Folders) -> Iterator[Entry]:
    """Yield the files of a folder that was not seen yet, since a link may lead around; add the folders in it."""
    try:
        inode = _inode(folder)
        if inode in seen:
            return
        seen.add(inode)
        names = sorted(file.name for file in folder.iterdir())
    except OSError as exc:
        yield Entry(_in_utf8(prefix.rstrip("/")), problem=f"The folder cannot be read: {reason(exc)}.", is_folder=True)
        return
    below: Folders = []
    for name in without_results(names):
        yield from _look_at(folder / name, f"{prefix}{name}", below)
    # The last one is looked through first.
    folders.extend(reversed(below))


def _look_at(file: Path, path: str, folders: Folders) -> Iterator[Entry]:
    """Yield what a name stands for where that is a file; add it to the folders where it is one."""
    try:
        about = file.stat()
    except OSError as exc:
        yield Entry(_in_utf8(path), problem=f"The file cannot be read: {reason(exc)}.")
        return
    if stat.S_ISDIR(about.st_mode):
        folders.append((file, f"{path}/"))
    # Neither pipes nor sockets, which would never end.
    elif stat.S_ISREG(about.st_mode):
        version = f"{about.st_size}-{about.st_mtime_ns}"
        is_odd = _in_utf8(path) != path
        problem = "The name of the file, or of its folder, is not in UTF-8: rename it." if is_odd else ""
        yield Entry(_in_utf8(path), version, problem)


def _in_utf8(path: str) -> str:
    """Return a path with the number of each byte that is no UTF-8 in its place."""
    return os.fsencode(path).decode(errors="backslashreplace")
