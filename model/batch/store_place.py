"""A folder of an object store, reached by fsspec."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from model.batch.place import BadPlace, Entry, without_results

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

    def walk(self) -> Iterator[Entry]:
        """Yield the objects."""
        if self._one is not None:
            with _as_os_errors():
                yield Entry(self._one, _version(self._files.info(self._key(self._one))))
            return
        yield from self._below(self._folder)

    def _below(self, folder: str) -> Iterator[Entry]:
        """Yield the objects of a folder and below, a folder at a time."""
        with _as_os_errors():
            # An object whose name ends in a slash stands for a folder.
            listed = {
                str(found["name"]).rstrip("/").removeprefix(f"{folder}/"): found
                for found in self._files.ls(folder, detail=True, refresh=True)
                if found["type"] == "directory" or not str(found["name"]).endswith("/")
            }
        for name in without_results(sorted(listed)):
            if listed[name]["type"] == "directory":
                yield from self._below(f"{folder}/{name}")
            else:
                yield Entry(f"{folder}/{name}".removeprefix(f"{self._folder}/"), _version(listed[name]))

    def _key(self, path: str) -> str:
        return f"{self._folder}/{path}"

    def open(self, path: str) -> BinaryIO:
        """Open an object, of which only what is read is fetched."""
        with _as_os_errors():
            opened = self._files.open(self._key(path), "rb", block_size=HEAD_BYTES, cache_type="readahead")
            return cast(BinaryIO, _Opened(opened))

    def fetch(self, path: str, folder: Path) -> Path:
        """Copy an object into a folder, by a name of its own: one that a store knows may be none here."""
        target = folder / uuid.uuid4().hex
        with _as_os_errors():
            self._files.get_file(self._key(path), str(target))
        return target

    def exists(self, path: str) -> bool:
        """Whether there is something."""
        with _as_os_errors():
            return bool(self._files.exists(self._key(path)))

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


class _Opened(io.RawIOBase):
    """An object that is read; what the store's package raises then is an OSError, too."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened

    def read(self, size: int = -1) -> bytes:
        with _as_os_errors():
            content: bytes = self._opened.read(size)
            return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._opened.seek(offset, whence))

    def tell(self) -> int:
        return int(self._opened.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._opened.close()
        super().close()


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
