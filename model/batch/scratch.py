"""Folders for what is needed while studies are read. What a run that was killed has left, the next one removes."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PREFIX = "groundglass-batch-"

_MADE, _LOCK = "groundglass-new-", "lock"


class Scratch:
    """A folder in TMPDIR, for the length of a block or until it is closed."""

    def __init__(self) -> None:
        """Make it, and remove those whose makers were killed.

        Raises
        ------
        OSError : it cannot be made.
        """
        _sweep(Path(tempfile.gettempdir()))
        # By another name until it is locked: others sweep.
        made = Path(tempfile.mkdtemp(prefix=_MADE))
        # Held for as long as this process lives, however it ends.
        self._lock = (made / _LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.folder = made.rename(made.with_name(made.name.replace(_MADE, PREFIX, 1)))

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{PREFIX}*"):
        # Those of others are none of ours, and those of earlier versions have no lock.
        with suppress(OSError), (left / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
