"""A zip or gzip file -> its contents as files in a folder of ours. No name in an archive ever becomes a path."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import mmap
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from model.decode.kinds import DICOM, GZIP, HEAD_BYTES, NIFTI, PICTURE, ZIP, SourceFile, kind_of
from model.errors import DamagedImage, NotAnImage, StorageError, TooLarge

MAX_MEMBERS = 10_000
"""Largest number of files in an archive."""

MAX_UNPACKED_MB = 2_000
"""Largest content of an archive, in millions of bytes: 1,000 slices of 512×512 in 32 bit fit."""

_CHUNK_BYTES = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, IndexError, KeyError, OverflowError,
    NotImplementedError, RuntimeError,
)  # fmt: skip

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How the files of an archive may be packed: of other methods zipfile cannot unpack a part, whatever its size."""

_ENTRY = re.compile(rb"PK\x01\x02")
"""What an entry in the list of an archive's files begins with."""


_PROTECTED, _ODDLY_PACKED = "protected by a password", "packed by a method that is not read"

DAMAGED = "a DICOM file that is damaged"

_DAMAGE_TO_ONE = (zipfile.BadZipFile, zlib.error, EOFError)


@dataclass
class Unpacked:
    """What came out of an archive.

    files : those that may be images, in the archive's order.
    left : how many others there were, by what they are.
    """

    files: list[SourceFile] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)

    def leave(self, what: str) -> None:
        """Count one that is not read."""
        self.left[what] = self.left.get(what, 0) + 1


def unpack_zip(source: SourceFile, folder: Path) -> Unpacked:
    """Unpack the images of a zip file, whatever folders they lie in.

    Parameters
    ----------
    folder : an empty folder; the files are numbered there.

    Raises
    ------
    DamagedImage : the archive is damaged or was cut short. Of DICOM files, of which a series has many, one that is
        damaged is left out where others are whole.
    NotAnImage : everything in it is protected by a password.
    TooLarge : it holds too many files, or more bytes than MAX_UNPACKED_MB.
    StorageError : there is no room for them.
    """
    unpacked, budget = Unpacked(), _Budget()
    with _damage("The zip file is damaged or was cut short. Pack it again."):
        _refuse_too_many(source.path)
        with zipfile.ZipFile(source.path) as archive:
            for number, member in enumerate(archive.infolist()):
                _unpack_member(archive, member, folder / f"{number:05d}", unpacked, budget)
        if not unpacked.files and DAMAGED in unpacked.left:
            raise zipfile.BadZipFile
    if not unpacked.files and _PROTECTED in unpacked.left:
        raise NotAnImage("The zip file is protected by a password. Pack it again without one.")
    if not unpacked.files and _ODDLY_PACKED in unpacked.left:
        raise NotAnImage("The zip file is packed by a method that is not read. Pack it again as an ordinary zip file.")
    return unpacked


@contextlib.contextmanager
def _damage(sentence: str) -> Iterator[None]:
    """Turn what damage to an archive raises into an error with a sentence."""
    try:
        yield
    except _DAMAGE as exc:
        raise DamagedImage(sentence) from exc


def _refuse_too_many(path: Path) -> None:
    """Raise TooLarge before zipfile makes an object of each entry; the number that an archive states may be wrong."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        count = sum(1 for _ in itertools.islice(_ENTRY.finditer(content), MAX_MEMBERS + 1))
    if count > MAX_MEMBERS:
        raise TooLarge(f"The zip file holds more than {MAX_MEMBERS:,} files, the most that are taken.")


def _unpack_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, unpacked: Unpacked, budget: _Budget
) -> None:
    if member.is_dir():
        return
    if member.flag_bits & 1:
        unpacked.leave(_PROTECTED)
    elif member.compress_type not in _METHODS:
        unpacked.leave(_ODDLY_PACKED)
    elif stat.S_ISLNK(member.external_attr >> 16):
        unpacked.leave("a link")
    else:
        with archive.open(member) as stream:
            head = stream.read(HEAD_BYTES)
            what = _why_left(member.filename, head)
            if what:
                unpacked.leave(what)
                return
            try:
                budget.write(target, head, stream)
            except _DAMAGE_TO_ONE:
                if kind_of(head) != DICOM:
                    raise
                target.unlink()
                unpacked.leave(DAMAGED)
                return
        unpacked.files.append(SourceFile(target, member.filename))


def _why_left(name: str, head: bytes) -> str:
    """Return why a member is not read, or an empty text."""
    kind = kind_of(head)
    # What a Mac adds beside each file of a zip has the file's own ending.
    if name.startswith("__MACOSX/"):
        return "no image"
    if kind == ZIP:
        return "a zip file inside the zip file"
    return "" if kind in (DICOM, NIFTI, GZIP, PICTURE) else "no image"


def unpack_gzip(source: SourceFile, target: Path) -> SourceFile:
    """Unpack the one file of a gzip file.

    Raises
    ------
    DamagedImage : the file is damaged or was cut short.
    TooLarge : it holds more than MAX_UNPACKED_MB.
    """
    sentence = "The compressed file is damaged or was cut short. Send it again, or check that the upload was complete."
    with _damage(sentence), gzip.open(source.path) as stream:
        _Budget().write(target, b"", stream)
    return SourceFile(target, source.name)


class _Budget:
    """The bytes that may still be unpacked: sizes that an archive states are not to be trusted."""

    def __init__(self) -> None:
        self._left = MAX_UNPACKED_MB * 1_000_000

    def write(self, target: Path, head: bytes, stream: IO[bytes] | gzip.GzipFile) -> None:
        with target.open("wb") as file:
            for chunk in _chunks(head, stream):
                self._left -= len(chunk)
                if self._left < 0:
                    raise TooLarge(
                        f"Unpacked, the file holds more than {MAX_UNPACKED_MB:,} MB, the most that is read. "
                        "Send one series at a time."
                    )
                try:
                    file.write(chunk)
                except OSError as exc:
                    raise StorageError("There is no room left to unpack the file. Try again later.") from exc


def _chunks(head: bytes, stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    yield head
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk
