"""Reads mutated files as the server does, and notes those that are not answered by a study or a sentence."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from model.decode.ct import CtSlice
from model.decode.guarded import SLICE, Reader
from model.errors import InputError
from tests.phantoms import sources

FOUND = Path(__file__).with_name("found")
"""Files that were found, each a case that is tried from then on."""

SECONDS = 20.0
"""A file of these takes milliseconds."""


class Unforeseen(AssertionError):
    """A file ended its reader, hung, or raised what has no sentence."""


class _Log(logging.Handler):
    """What the guard complains of: it tells the sender a sentence in any case."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class Harness:
    """A reader that tells how it fared with each file."""

    def __init__(self) -> None:
        self._reader = Reader(replace(SLICE, open_s=SECONDS, slice_s=SECONDS))
        self._log = _Log()
        self._folder = Path(tempfile.mkdtemp(prefix="groundglass-fuzz-"))
        self.read = self.refused = 0

    def __enter__(self) -> Self:
        logging.getLogger("model.decode.guarded").addHandler(self._log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("model.decode.guarded").removeHandler(self._log)
        self._reader.close()
        shutil.rmtree(self._folder)

    def check(self, content: bytes) -> None:
        """Read a file.

        Raises
        ------
        Unforeseen : see there.
        """
        self._log.said.clear()
        place = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            self._read(place, content)
            self.read += 1
        except InputError as exc:
            self.refused += 1
            if not str(exc).endswith(".") or "more memory" in str(exc):
                raise Unforeseen(str(exc)) from exc
        finally:
            shutil.rmtree(place)
        if self._log.said:
            raise Unforeseen("; ".join(self._log.said))

    def _read(self, place: Path, content: bytes) -> None:
        study = self._reader.open_study(sources(place / "upload", content), place / "unpacked")
        slices = (
            [study] if isinstance(study, CtSlice) else [study.volume.read(n) for n in range(min(5, len(study.volume)))]
        )
        for ct_slice in slices:
            if not np.isfinite(ct_slice.as_bytes()).all():
                raise Unforeseen("pixels that are no numbers")


def keep(kind: str, content: bytes) -> Path:
    """Write a file that was found, to be tried from now on."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{kind.replace(' ', '-')}-{hashlib.sha256(content).hexdigest()[:12]}"
    path.write_bytes(content)
    return path
