"""A zip or gzip file -> its contents as files in a folder of ours. No name in an archive ever becomes a path."""

from __future__ import annotations

import gzip
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from model.decode.kinds import DICOM, GZIP, HEAD_BYTES, NIFTI, PICTURE, ZIP, SourceFile, kind_of
from model.errors import DamagedImage, NotAnImage, TooLarge

MAX_MEMBERS = 10_000
"""Largest number of files in an archive."""

MAX_UNPACKED_MB = 2_000
"""Largest content of an archive, in millions of bytes: 1,000 slices of 512×512 in 32 bit fit."""

_CHUNK_BYTES = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, IndexError, KeyError)


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
    DamagedImage : the archive is damaged or was cut short.
    NotAnImage : everything in it is protected by a password.
    TooLarge : it holds too many files, or more bytes than MAX_UNPACKED_MB.
    """
    unpacked, budget = Unpacked(), _Budget()
    try:
        with zipfile.ZipFile(source.path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise TooLarge(f"The zip file holds {len(members):,} files; at most {MAX_MEMBERS:,} are taken.")
            for number, member in enumerate(members):
                _unpack_member(archive, member, folder / f"{number:05d}", unpacked, budget)
    except (*_DAMAGE, NotImplementedError, RuntimeError) as exc:
        raise DamagedImage("The zip file is damaged or was cut short. Pack it again.") from exc
    if not unpacked.files and "protected by a password" in unpacked.left:
        raise NotAnImage("The zip file is protected by a password. Pack it again without one.")
    return unpacked


def _unpack_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, unpacked: Unpacked, budget: _Budget
) -> None:
    if member.is_dir():
        return
    if member.flag_bits & 1:
        unpacked.leave("protected by a password")
    elif stat.S_ISLNK(member.external_attr >> 16):
        unpacked.leave("a link")
    else:
        with archive.open(member) as stream:
            head = stream.read(HEAD_BYTES)
            what = _why_left(member.filename, head)
            if what:
                unpacked.leave(what)
                return
            budget.write(target, head, stream)
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
    try:
        with gzip.open(source.path) as stream:
            _Budget().write(target, b"", stream)
    except _DAMAGE as exc:
        raise DamagedImage(
            "The compressed file is damaged or was cut short. Send it again, or check that the upload was complete."
        ) from exc
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
                file.write(chunk)


def _chunks(head: bytes, stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    yield head
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk
