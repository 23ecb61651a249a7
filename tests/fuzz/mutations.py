"""Mutations that know a format: its parts are changed, dropped, doubled and swapped, and its sums made right again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.fuzz.samples import samples

Draw = Callable[[st.SearchStrategy[int]], int]

EXTREMES = (0, 1, 2, 7, 8, 15, 16, 31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)

MAX_STEPS = 4


@st.composite
def mutated(draw: st.DrawFn, kind: str) -> bytes:
    """Draw a file of a format, mutated."""
    content = draw(st.sampled_from(samples()[kind]))
    for _ in range(draw(st.integers(1, MAX_STEPS))):
        if draw(st.integers(0, 3)):
            content = _by_parts(draw, kind, content)
        else:
            content = _anywhere(draw, content)
    return content


def _by_parts(draw: st.DrawFn, kind: str, content: bytes) -> bytes:
    split, join = FORMATS[kind]
    parts = split(content)
    return join(_rearranged(draw, parts)) if parts else _anywhere(draw, content)


def _rearranged(draw: st.DrawFn, parts: Sequence[bytes]) -> list[bytes]:
    """Change one part, or the order of parts."""
    changed = list(parts)
    at = draw(st.integers(0, len(changed) - 1))
    match draw(st.sampled_from(("change", "change", "change", "drop", "double", "swap", "cut"))):
        case "change":
            changed[at] = _anywhere(draw, changed[at])
        case "drop" if len(changed) > 1:
            del changed[at]
        case "double":
            changed[at:at] = [changed[at]] * draw(st.sampled_from((1, 2, 40)))
        case "swap":
            other = draw(st.integers(0, len(changed) - 1))
            changed[at], changed[other] = changed[other], changed[at]
        case "cut":
            changed[at] = changed[at][: draw(st.integers(0, len(changed[at])))]
    return changed


def _anywhere(draw: st.DrawFn, content: bytes) -> bytes:
    """Write a number over some bytes, or others in their place."""
    if not content:
        return draw(st.binary(max_size=16))
    # Headers come first and matter most.
    at = min(
        draw(st.one_of(st.integers(0, 63), st.integers(0, 600), st.integers(0, len(content) - 1))), len(content) - 1
    )
    form = draw(st.sampled_from(("B", "<H", ">H", "<I", ">I", "<f", "<d", "<q", "bytes")))
    if form == "bytes":
        return content[:at] + draw(st.binary(max_size=12)) + content[at + draw(st.integers(0, 12)) :]
    size = struct.calcsize(form)
    if form in ("<f", "<d"):
        number: float = draw(st.floats(width=32))
    else:
        number = draw(st.sampled_from(EXTREMES)) % 2 ** (8 * size - (form == "<q"))
    return content[:at] + struct.pack(form, number) + content[at + size :]


def _png_parts(content: bytes) -> list[bytes]:
    """Return kind and content of each chunk; that of pixels unpacked."""
    parts, at = [], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        if length > len(content):
            break
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        parts.append(kind + (_unpacked(data) if kind == b"IDAT" else data))
        at += 12 + length
    return parts


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, 1_000_000)
    except zlib.error:
        return data


def _png(parts: Sequence[bytes]) -> bytes:
    chunks = []
    for part in parts:
        kind, data = part[:4].ljust(4, b"x"), part[4:]
        data = zlib.compress(data, 1) if kind == b"IDAT" else data
        chunks.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _jpeg_parts(content: bytes) -> list[bytes]:
    """Return the segments up to the pixels, each with its mark, and the rest."""
    parts, at = [], 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", content, at + 2)
        parts.append(content[at : at + 2 + length])
        at += 2 + max(length, 2)
    return [*parts, content[at:]]


def _jpeg(parts: Sequence[bytes]) -> bytes:
    return b"\xff\xd8" + b"".join(parts)


def _tiff_parts(content: bytes) -> list[bytes]:
    """Return what lies before the first directory, each of its entries, and the rest."""
    form = "<" if content[:2] == b"II" else ">"
    if len(content) < 8:
        return []
    (start,) = struct.unpack_from(form + "I", content, 4)
    if start + 2 > len(content):
        return []
    (count,) = struct.unpack_from(form + "H", content, start)
    ends = [start + 2 + 12 * number for number in range(min(count, 200) + 1)]
    return [content[: start + 2], *(content[at : at + 12] for at in ends[:-1]), content[ends[-1] :]]


def _dicom_parts(content: bytes) -> list[bytes]:
    """Return the preamble, and the file cut where elements of the usual groups begin."""
    parts, last = [], 0
    for at in range(132, min(len(content) - 8, 4000)):
        is_element = (
            content[at + 1] == 0
            and content[at] in (0x02, 0x08, 0x10, 0x18, 0x20, 0x28)
            and content[at + 4 : at + 6].isalpha()
        )
        if is_element or content[at : at + 4] == b"\xe0\x7f\x10\x00":
            parts.append(content[last:at])
            last = at
    return [*parts, content[last:]]


def _cut(length: int, size: int) -> Callable[[bytes], list[bytes]]:
    """Return what cuts the first bytes into pieces: the fields of a header."""

    def parts(content: bytes) -> list[bytes]:
        return [*(content[at : at + size] for at in range(0, length, size)), content[length:]]

    return parts


def _zip_parts(content: bytes) -> list[bytes]:
    """Return the file cut where the records of an archive begin."""
    starts = [at for mark in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06") for at in _places(content, mark)]
    ends = sorted({0, *starts, len(content)})
    return [content[start:end] for start, end in zip(ends, ends[1:], strict=False)]


def _places(content: bytes, mark: bytes) -> list[int]:
    places: list[int] = []
    at = content.find(mark)
    while at >= 0 and len(places) < 100:
        places.append(at)
        at = content.find(mark, at + 1)
    return places


FORMATS: dict[str, tuple[Callable[[bytes], list[bytes]], Callable[[Sequence[bytes]], bytes]]] = {
    "PNG": (_png_parts, _png),
    "JPEG": (_jpeg_parts, _jpeg),
    "TIFF": (_tiff_parts, b"".join),
    "BMP": (_cut(64, 4), b"".join),
    "DICOM": (_dicom_parts, b"".join),
    "compressed DICOM": (_dicom_parts, b"".join),
    "NIfTI": (_cut(352, 2), b"".join),
    "gzip": (_cut(20, 2), b"".join),
    "zip": (_zip_parts, b"".join),
}
