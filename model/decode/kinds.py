"""What a file is, by its first bytes: its name proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 352
"""How many of a file's first bytes tell what it is: NIfTI's mark ends here, the latest of all."""

DICOM, NIFTI, GZIP, ZIP, PICTURE, UNKNOWN = "DICOM", "NIfTI", "gzip", "zip", "picture", "unknown"

_MARKS = (
    (128, b"DICM", DICOM),
    (344, b"n+1\0", NIFTI),
    (4, b"n+2\0\r\n\x1a\n", NIFTI),
    (0, b"\x1f\x8b", GZIP),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\x89PNG", PICTURE),
    (0, b"\xff\xd8\xff", PICTURE),
    (0, b"II*\0", PICTURE),
    (0, b"MM\0*", PICTURE),
    (0, b"BM", PICTURE),
)

# A data set without the usual preamble begins with its lowest element, of group 2 or 8, little endian; after the
# element comes how its value is represented or, where that is implicit, how many bytes it has.
_BARE_DICOM_GROUPS = (b"\x02\0", b"\x08\0")
_BARE_DICOM_REPRESENTATIONS = (b"UL", b"CS", b"UI", b"OB", b"DA", b"SH")
_BARE_DICOM_ELEMENTS = (b"\0\0", b"\x01\0", b"\x05\0", b"\x08\0", b"\x12\0", b"\x16\0")


@dataclass(frozen=True)
class SourceFile:
    """A file to be read, and the name by which its sender knows it."""

    path: Path
    name: str

    @property
    def title(self) -> str:
        """The end of its name, as it may be shown."""
        return shown(self.name[-60:], 60) or "a file without a name"

    def head(self) -> bytes:
        """Return the first bytes, fewer than HEAD_BYTES where the file has no more."""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)


def kind_of(head: bytes) -> str:
    """Return DICOM, NIFTI, GZIP, ZIP, PICTURE or UNKNOWN.

    head : the file's first HEAD_BYTES, or all of a shorter file.

    >>> kind_of(b"PK" + bytes([3, 4])), kind_of(b"hello")
    ('zip', 'unknown')
    """
    for at, mark, kind in _MARKS:
        if head.startswith(mark, at):
            return kind
    if head[:2] in _BARE_DICOM_GROUPS and (head[4:6] in _BARE_DICOM_REPRESENTATIONS or _is_bare_implicit(head)):
        return DICOM
    return UNKNOWN


def _is_bare_implicit(head: bytes) -> bool:
    return head[:2] == b"\x08\0" and head[2:4] in _BARE_DICOM_ELEMENTS and head[5:8] == bytes(3) and head[4] % 2 == 0


def shown(text: str, length: int) -> str:
    """Return what others wrote as it may be shown: some letters end a line, or turn the direction of the text.

    >>> shown("a\\nb\\u202ec", 10), shown("abc", 2)
    ('abc', 'a…')
    """
    clean = "".join(letter for letter in text if letter.isprintable())
    return clean if len(clean) <= length else clean[: length - 1] + "…"
