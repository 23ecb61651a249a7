"""The processes that read uploads for one server process; see `model.decode.guarded`."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from flask import current_app

from model.decode.ct import CtSlice
from model.decode.guarded import Reader
from model.errors import Busy
from webapp.doors.access import who_asks
from webapp.monitoring.metrics import DECODE, timed
from webapp.places import Room
from webapp.uploads.requests import Upload, on_disk

log = logging.getLogger(__name__)

EXTENSION = "groundglass-readers"

WAIT_S = 0.5
"""How long a request waits for the reader of another before it gets one of its own: a picture takes milliseconds, a
process half a second to start, and a hostile file may keep its reader for long."""


MOST = 4
"""So many at once. A hostile file can keep a reader for half a minute, and take its 2 GB."""

MOST_OF_ONE = 2
"""So many of one client: the others are for everybody else."""

MOST_WAITING = 16
"""Of one client half: a picture takes milliseconds, so that sixteen clients who come at the same moment are all read.
Of sixteen who share an address some may have to come again."""

WAIT_AT_MOST_S = 2.0


class Readers:
    """Lends readers to requests: one is kept at hand, more are started where a file keeps that one."""

    def __init__(self) -> None:
        self._free: list[Reader] = []
        self._lent = 0
        self._change = threading.Condition()
        self._room = Room(
            MOST,
            of_one=MOST_OF_ONE,
            sentence="The server reads as many files as it can. Send this one again in a moment.",
            wait_s=WAIT_AT_MOST_S,
            most_waiting=MOST_WAITING,
        )

    def warm_up(self) -> None:
        """Start one now, so that no request waits for it."""
        reader = Reader()
        try:
            reader.warm_up()
        except Busy:
            log.exception("uploads cannot be read; the next request tries again")
        with self._change:
            self._free.append(reader)

    @contextlib.contextmanager
    def lent(self, client: str = "") -> Iterator[Reader]:
        """Lend a reader to a client for the length of a block.

        Raises
        ------
        Busy : all are lent, or this client has as many as one may have, and none came back soon.
        """
        with self._room.taken(1, client):
            reader = self._take()
            try:
                yield reader
            finally:
                self._give_back(reader)

    def _take(self) -> Reader:
        with self._change:
            if not self._free and self._lent:
                self._change.wait_for(lambda: bool(self._free), WAIT_S)
            self._lent += 1
            return self._free.pop() if self._free else Reader()

    def _give_back(self, reader: Reader) -> None:
        with self._change:
            self._lent -= 1
            is_spare = bool(self._free)
            if not is_spare:
                self._free.append(reader)
                self._change.notify()
        if is_spare:
            reader.close()


def current_readers() -> Readers:
    """Return the readers of the current app."""
    readers: Readers = current_app.extensions[EXTENSION]
    return readers


@timed(DECODE)
def read_picture(data: bytes) -> CtSlice:
    """Read a file that can only be a picture; raises as `Reader.decode_picture` and `Readers.lent`."""
    with current_readers().lent(who_asks()) as reader:
        return reader.decode_picture(data)


@timed(DECODE)
def read_dicom_file(upload: Upload, *, as_picture: bool) -> CtSlice:
    """Read an upload of one DICOM file; raises as `Reader.open_study` and `Readers.lent`."""
    # Room first: files wait in no second copy.
    with current_readers().lent(who_asks()) as reader, on_disk(), TemporaryDirectory(prefix="groundglass-") as scratch:
        study = reader.open_study(upload.save(Path(scratch) / "upload"), Path(scratch), as_picture=as_picture)
        return study if isinstance(study, CtSlice) else study.first_slice()
