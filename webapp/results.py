"""Where finished results live until they expire: a folder each, on disk, so that every worker process answers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import current_app

from model.errors import StorageError
from webapp.jobs.status import is_waited_for
from webapp.settings import Settings

log = logging.getLogger(__name__)

EXTENSION = "groundglass-results"
PICTURES = ("original", "overlay", "mask", "probability")
"""What can be had of every slice."""

LUNG = "lung"
"""What can be had of a slice that is a result by itself, where the network tells one."""

_KEPT = ("original", "probability", LUNG)
"""What of these is kept; the rest is drawn when it is asked for."""

NOBODYS = "0" * 32
"""The id of no result: as likely to be given as any other, which is never."""

_OWNER = "owner"
_RESULT_ID = re.compile(r"[0-9a-f]{32}")
_DRAFT = ".draft-"
_DETAILS = "details.json"


def _never(folder: Path) -> bool:
    return False


def _nobody() -> str:
    return ""


class ResultStore:
    """Results of one server in one folder; a result's name is its id, 128 random bits in hexadecimal."""

    def __init__(
        self,
        folder: Path,
        *,
        lifetime_s: float,
        is_needed: Callable[[Path], bool] = _never,
        maker: Callable[[], str] = _nobody,
    ) -> None:
        """Keep results in a folder.

        is_needed : while it says so of an old result, that is not deleted.
        maker : says who makes a result that is being added, where that is known.
        """
        self._folder = folder.absolute()
        self.lifetime_s = lifetime_s
        self._is_needed = is_needed
        self._maker = maker

    @classmethod
    def from_settings(cls, settings: Settings, *, maker: Callable[[], str] = _nobody) -> ResultStore:
        """Return the store that the settings name."""
        return cls(settings.results, lifetime_s=60 * settings.result_minutes, is_needed=is_waited_for, maker=maker)

    def save(self, details: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
        """Keep a result and return its id; it appears whole or not at all.

        details : what JSON can hold. pictures : PNG files by a name that `picture` knows.

        Raises
        ------
        StorageError : the folder cannot be written, or the disk is full; nothing is left behind.
        """
        with self.adding() as (result_id, draft):
            write_result(draft, details, pictures)
        return result_id

    @contextlib.contextmanager
    def adding(self) -> Iterator[tuple[str, Path]]:
        """Give a new id, and a folder to fill that appears under it when the block ends, or not at all.

        Raises
        ------
        StorageError : the folder cannot be written, or the disk is full; nothing is left behind.
        """
        result_id = secrets.token_hex(16)
        with self.root() as root:
            draft = root / (_DRAFT + result_id)
            try:
                draft.mkdir(mode=0o700)
                write_owner(draft, self._maker())
                yield result_id, draft
                draft.rename(root / result_id)
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def adopt(self, folder: Path) -> str:
        """Make a result of a folder that `write_result` has filled, on the same disk; return its id.

        Raises
        ------
        StorageError : it cannot be moved.
        """
        result_id = secrets.token_hex(16)
        with self.root() as root:
            # Its time begins now.
            os.utime(folder)
            folder.rename(root / result_id)
        return result_id

    @contextlib.contextmanager
    def root(self) -> Iterator[Path]:
        """Give the folder of all results, to write there.

        Raises
        ------
        StorageError : what the block writes cannot be written.
        """
        try:
            # Only the server's own user may look: a slice can show whose it is.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield self._folder
        except OSError as exc:
            log.error("results cannot be kept in %s: %s", self._folder, exc.strerror)
            raise StorageError(
                "The server cannot keep results now: its folder for them is full or cannot be written. Try again later."
            ) from exc

    def folder_of(self, result_id: str) -> Path | None:
        """Return the folder of a result, or None where it does not exist or has expired."""
        folder = self._folder / result_id
        return folder if _RESULT_ID.fullmatch(result_id) and not self._is_expired(folder) else None

    def owner_of(self, result_id: str) -> str:
        """Return who made a result; empty where that was not asked, or there is no such result."""
        folder = self.folder_of(result_id)
        return "" if folder is None else read_owner(folder)

    def ids(self) -> list[str]:
        """Return the ids of all results that have not expired."""
        return [entry.name for entry in self._entries() if self.folder_of(entry.name) is not None]

    def details(self, result_id: str) -> dict[str, Any] | None:
        """Return the details of a result, or None where it does not exist or has expired."""
        content = self._read(result_id, _DETAILS)
        return None if content is None else dict(json.loads(content))

    def picture(self, result_id: str, name: str) -> bytes | None:
        """Return a picture as PNG, or None where it or its result does not exist or has expired."""
        return self._read(result_id, f"{name}.png") if name in _KEPT else None

    def sweep(self) -> int:
        """Delete what has expired, and drafts left by a process that died; return how many."""
        return self._delete([entry for entry in self._entries() if self._is_expired(entry)])

    def clear(self) -> int:
        """Delete all results, expired or not; return how many."""
        return self._delete(self._entries())

    def _delete(self, entries: list[Path]) -> int:
        for entry in entries:
            shutil.rmtree(entry, ignore_errors=True)
        return len(entries)

    def _entries(self) -> list[Path]:
        """Return what was made here; whatever else lies in the folder is never deleted."""
        if not self._folder.is_dir():
            return []
        return [entry for entry in self._folder.iterdir() if _RESULT_ID.fullmatch(entry.name.removeprefix(_DRAFT))]

    def _read(self, result_id: str, file: str) -> bytes | None:
        folder = self.folder_of(result_id)
        if folder is None:
            return None
        try:
            return (folder / file).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _is_expired(self, folder: Path) -> bool:
        try:
            is_old = time.time() - folder.stat().st_mtime > self.lifetime_s
        except (FileNotFoundError, NotADirectoryError):
            return True
        return is_old and not self._is_needed(folder)


def write_owner(folder: Path, owner: str) -> None:
    """Write into a folder whose it is; nothing where nobody asked."""
    if owner:
        (folder / _OWNER).write_text(owner, encoding="utf-8")


def read_owner(folder: Path) -> str:
    """Return whose a folder is; empty where nobody asked."""
    try:
        return (folder / _OWNER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def write_result(folder: Path, details: Mapping[str, Any], pictures: Mapping[str, bytes]) -> None:
    """Write what makes a result into its folder; the details last, since they tell that it is there."""
    for name, png in pictures.items():
        (folder / f"{name}.png").write_bytes(png)
    draft = folder / f"{_DETAILS}.draft"
    draft.write_text(json.dumps(dict(details)), encoding="utf-8")
    draft.replace(folder / _DETAILS)


def start_sweeping(store: ResultStore) -> None:
    """Sweep again and again, in a thread that ends with the process: nothing outlives its time for want of visitors.

    What has expired is gone after another tenth of its lifetime at most, or half a minute, whichever is shorter.
    """
    every_s = min(30.0, store.lifetime_s / 10)

    def sweep() -> None:
        while True:
            try:
                store.sweep()
            except OSError:
                log.exception("expired results could not be deleted")
            time.sleep(every_s)

    threading.Thread(target=sweep, name="sweep-results", daemon=True).start()


def current_results() -> ResultStore:
    """Return the store of the current app."""
    store: ResultStore = current_app.extensions[EXTENSION]
    return store
