"""A folder of an object store, reached by fsspec."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from model.batch.place import MARK, BadPlace, Entry, Place

HEAD_BYTES = 64 * 1024
"""How much of an object is asked for at once where only its beginning matters."""


class StorePlace:
    """A folder of a store. A single object is a place with one file in it."""

    is_local = False

    def __init__(self, store: str, path: str) -> None:
        """Connect.

        Raises
        ------
        BadPlace : the store's package is missing. OSError : the store cannot be reached.
        """
        self.address = f"{store}://{path}"
        self._files = _file_system(store)
        with _as_os_errors():
            is_one = "/" in path and bool(self._files.isfile(path))
        folder, _, name = path.rpartition("/")
        self._folder = folder if is_one else path
        self._one = name if is_one else None

    def walk(self, without: Place) -> Iterator[Entry]:
        """Yield the objects."""
        if self._one is not None:
            with _as_os_errors():
                yield Entry(self._one, _version(self._files.info(self._key(self._one))))
            return
        yield from self._below(self._folder, without.address)

    def _below(self, folder: str, without: str) -> Iterator[Entry]:
        """Yield the objects of a folder and below, a folder at a time."""
        if self.address.partition("://")[0] + f"://{folder}" == without:
            return
        with _as_os_errors():
            listed = self._files.ls(folder, detail=True, refresh=True)
        if any(str(found["name"]) == f"{folder}/{MARK}" for found in listed):
            return
        for found in sorted(listed, key=lambda each: str(each["name"])):
            name = str(found["name"])
            if found["type"] == "directory":
                yield from self._below(name.rstrip("/"), without)
            # An object whose name ends in a slash stands for a folder.
            elif not name.endswith("/"):
                yield Entry(name.removeprefix(f"{self._folder}/"), _version(found))

    def _key(self, path: str) -> str:
        return f"{self._folder}/{path}"

    def open(self, path: str) -> BinaryIO:
        """Open an object, of which only what is read is fetched."""
        with _as_os_errors():
            opened: BinaryIO = self._files.open(self._key(path), "rb", block_size=HEAD_BYTES, cache_type="readahead")
            return opened

    def fetch(self, path: str, folder: Path) -> Path:
        """Copy an object into a folder, by a name of its own: one that a store knows may be none here."""
        target = folder / uuid.uuid4().hex
        with _as_os_errors():
            self._files.get_file(self._key(path), str(target))
        return target

    def read(self, path: str) -> bytes | None:
        """Return an object's content."""
        with suppress(FileNotFoundError), _as_os_errors():
            content: bytes = self._files.cat_file(self._key(path))
            return content
        return None

    def write(self, path: str, content: bytes) -> None:
        """Write an object: it is seen when all of it is there."""
        with _as_os_errors():
            self._files.pipe_file(self._key(path), content)

    def bring(self, file: Path, path: str) -> None:
        """Copy a file into the store."""
        with _as_os_errors():
            self._files.put_file(str(file), self._key(path))

    def put(self, folder: Path, path: str) -> None:
        """Copy the files of a folder, then remove what else lies there."""
        brought = {f"{path}/{file.relative_to(folder).as_posix()}": file for file in _files_in(folder)}
        for target, file in brought.items():
            self.bring(file, target)
        with _as_os_errors(), suppress(FileNotFoundError):
            others = set(self._files.find(self._key(path))) - {self._key(target) for target in brought}
            if others:
                self._files.rm(sorted(others))

    def remove(self, path: str) -> None:
        """Remove an object, or those of a folder."""
        with _as_os_errors(), suppress(FileNotFoundError):
            self._files.rm(self._key(path), recursive=True)

    def tidy(self) -> None:
        """Do nothing: a store shows whole objects only."""


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _version(found: dict[str, Any]) -> str:
    """Return what changes with an object: stores tell a tag of its content, or when it was written."""
    names = ("ETag", "etag", "LastModified", "updated", "mtime")
    tag = next((str(found[name]).strip('"') for name in names if found.get(name)), "")
    return f"{found.get('size')}-{tag}"


def _file_system(store: str) -> Any:
    try:
        import fsspec  # Only who names a store needs it.

        return fsspec.filesystem(store, use_listings_cache=False)
    except ImportError as exc:
        raise BadPlace(
            f"{store}:// needs packages that are missing here ({exc.name}): pip install -c constraints.txt "
            "-r requirements-cluster.txt"
        ) from exc


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Raise what a store's package raises, of whatever kind, as OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as exc:
        raise OSError(f"{type(exc).__name__}: {exc}") from exc
