"""What the process that reads uploads says of them: plain data, which is taken from it as from a stranger.

It is JSON, and after a slice its pixels. Nothing in it can do more than be wrong: whoever takes that process over by
a hostile file has won no more than a false picture of that file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from model import errors
from model.decode.ct import MAX_SLICES, CtSlice, CtVolume, Place, Turn
from model.decode.kinds import shown
from model.decode.nifti import Form, NiftiGrid
from model.decode.picture import MAX_MEGAPIXELS
from model.decode.repeated import REPEATED, DicomGrid, Elements
from model.decode.study import Study, VolumeStudy
from model.errors import GroundglassError

Message = Mapping[str, Any]

Fill = Callable[[memoryview], int]
"""Reads as many bytes as fit into what it is given, and returns how many there were."""

T = TypeVar("T")

Take = Callable[[Message, Fill], T]
"""Makes of an answer what was asked for."""

MAX_MESSAGE_BYTES = 4_000_000
"""Longest JSON that is taken: places and identifiers of MAX_SLICES slices are a fifth of it."""

_MAX_NOTES, _MAX_SENTENCE, _MAX_TEXT = 100, 2_000, 1_024
_DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "float32": np.float32}
_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.MissingFile, errors.EmptyFile, errors.NotAnImage, errors.NotCt, errors.DamagedImage, errors.TooLarge,
        errors.TooSmall, errors.StorageError,
    )
}  # fmt: skip
"""What the process may say that went wrong."""


def of_slice(ct_slice: CtSlice) -> tuple[Message, bytes]:
    """Return what is said of a slice, and its pixels."""
    message = {
        "kind": "slice",
        "shape": ct_slice.shape,
        "dtype": ct_slice.pixels.dtype.name,
        "range": ct_slice.value_range,
        "spacing": ct_slice.spacing_mm,
        "notes": ct_slice.notes,
        "colour_share": ct_slice.colour_share,
    }
    return message, np.ascontiguousarray(ct_slice.pixels).tobytes()


def of_volume(study: VolumeStudy) -> Message:
    """Return what is said of a volume before any of its slices is read."""
    volume = study.volume
    return {
        "kind": "volume",
        "shape": volume.shape,
        "affine": _listed(volume.affine),
        "extents": volume.extents_mm,
        "sides_known": volume.sides_known,
        "places": [(place.z_mm, place.image_number) for place in volume.places],
        "notes": volume.notes,
        "origin": _of_origin(study.origin),
    }


def _of_origin(origin: DicomGrid | NiftiGrid) -> Message:
    if isinstance(origin, DicomGrid):
        turn = (origin.turn.transpose, origin.turn.rows, origin.turn.columns)
        return {"shape": origin.shape, "turn": turn, "identifiers": origin.identifiers}
    forms = [(_listed(form.affine), form.code) for form in (origin.sform, origin.qform)]
    return {"shape": origin.shape, "affine": _listed(origin.affine), "forms": forms}


def _listed(affine: NDArray[np.float64] | None) -> list[float] | None:
    return None if affine is None else [float(value) for value in affine.ravel()]


def of_error(error: Exception) -> Message:
    """Return what is said of an error: its sentence, or of one that was not foreseen what it is."""
    if isinstance(error, GroundglassError):
        return {"kind": "error", "error": type(error).__name__, "sentence": str(error)}
    return {"kind": "error", "error": "", "sentence": type(error).__name__}


def parse(line: bytes) -> Message:
    """Return the object that a line of JSON holds.

    Raises
    ------
    ValueError : it is none, or too long, or holds what is no number.
    """
    if not line.endswith(b"\n"):
        raise ValueError("the answer broke off")
    message = json.loads(line, parse_constant=_no_number)
    if not isinstance(message, dict):
        raise ValueError("the answer is no object")
    return message


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def as_error(message: Message) -> GroundglassError | None:
    """Return the error that was foreseen; None where it was not.

    Raises
    ------
    ValueError, KeyError, TypeError : the message is malformed, as for all below.
    """
    kind = _ERRORS.get(_text(message["error"]))
    return None if kind is None else kind(_sentence(message["sentence"]))


def as_slice(message: Message, fill: Fill) -> CtSlice:
    """Return a slice; its pixels follow the message."""
    _expect(message["kind"] == "slice", "the answer is no slice")
    height, width = shape = _wholes(message["shape"], 2, least=1, most=MAX_MEGAPIXELS * 1_000_000)
    _expect(height * width <= MAX_MEGAPIXELS * 1_000_000, "the slice is too large")
    pixels = np.empty(shape, _DTYPES[message["dtype"]])
    _expect(fill(pixels.data.cast("B")) == pixels.nbytes, "the pixels broke off")
    _expect(bool(np.isfinite(pixels).all()), "some pixels are no numbers")
    low, high = _numbers(message["range"], 2)
    spacing = None if message["spacing"] is None else _numbers(message["spacing"], 2)
    colour_share = _number(message["colour_share"])
    _expect(low < high, "black is not below white")
    _expect(0.0 <= colour_share <= 1.0, "the share of colours is none")
    _expect(spacing is None or min(spacing) > 0.0, "the spacing is not above 0")
    spacing_mm = None if spacing is None else (spacing[0], spacing[1])
    return CtSlice(pixels, (low, high), spacing_mm, _notes(message), colour_share)


def as_study(
    message: Message,
    read: Callable[[int], CtSlice],
    header: Callable[[int], Elements],
    patient: Callable[[], str],
) -> VolumeStudy:
    """Return a volume; the functions ask for what is read later, see `CtVolume` and `DicomGrid`."""
    _expect(message["kind"] == "volume", "the answer is no volume")
    slices, height, width = _wholes(message["shape"], 3, least=1, most=MAX_MEGAPIXELS * 1_000_000)
    _expect(slices <= MAX_SLICES and height * width <= MAX_MEGAPIXELS * 1_000_000, "the volume is too large")
    extents = None if message["extents"] is None else tuple(_numbers(message["extents"], slices))
    _expect(extents is None or min(extents) > 0.0, "a slice stands for nothing")
    _expect(len(message["places"]) == slices, "there are not as many places as slices")
    volume = CtVolume(
        shape=(slices, height, width),
        read=partial(_of_shape, read, (height, width)),
        affine=_affine(message["affine"]),
        extents_mm=extents,
        sides_known=_flag(message["sides_known"]),
        places=tuple(_place(*place) for place in message["places"]),
        notes=_notes(message),
    )
    return VolumeStudy(volume, _origin(message["origin"], volume, header, patient))


def _of_shape(read: Callable[[int], CtSlice], shape: tuple[int, int], number: int) -> CtSlice:
    ct_slice = read(number)
    _expect(ct_slice.shape == shape, "the slice has another size than its volume")
    return ct_slice


def _origin(
    message: Message, volume: CtVolume, header: Callable[[int], Elements], patient: Callable[[], str]
) -> DicomGrid | NiftiGrid:
    if "identifiers" in message:
        transpose, rows, columns = map(_flag, _listing(message["turn"], 3))
        turn = Turn(transpose, rows, columns)
        height, width = _wholes(message["shape"], 2, least=1, most=MAX_MEGAPIXELS * 1_000_000)
        displayed = (width, height) if turn.transpose else (height, width)
        _expect(displayed == volume.shape[1:], "the slices are stored in another size")
        named = [_listing(texts, 3) for texts in _listing(message["identifiers"], len(volume))]
        identifiers = tuple((_text(study), _text(series), _text(own)) for study, series, own in named)
        return DicomGrid((height, width), turn, identifiers, header, patient)
    first, second, third = _wholes(message["shape"], 3, least=1, most=MAX_MEGAPIXELS * 1_000_000)
    _expect(sorted((first, second, third)) == sorted(volume.shape), "the voxels are stored in another size")
    affine, (sform, qform) = _affine(message["affine"]), map(_form, _listing(message["forms"], 2))
    if affine is None:
        raise ValueError("the grid has no affine")
    return NiftiGrid((first, second, third), affine, sform, qform)


def _form(message: object) -> Form:
    values, code = _listing(message, 2)
    affine = _affine(values)
    if affine is None:
        raise ValueError("a form has no affine")
    return Form(affine, _whole(code, least=-32768, most=32767))


def as_elements(message: Message, fill: Fill) -> Elements:
    """Return the elements of a header, of REPEATED alone."""
    elements = message["elements"]
    _expect(isinstance(elements, dict) and set(elements) <= set(REPEATED), "there are other elements")
    return {name: _text(text) for name, text in elements.items()}


def as_text(message: Message, fill: Fill) -> str:
    """Return a line of text as it may be shown."""
    return shown(_text(message["text"]), _MAX_TEXT)


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _notes(message: Message) -> tuple[str, ...]:
    notes = message["notes"]
    _expect(isinstance(notes, list) and len(notes) <= _MAX_NOTES, "the notes are none, or too many")
    return tuple(_sentence(note) for note in notes)


def _sentence(text: object) -> str:
    return shown(_text(text, longest=10 * _MAX_SENTENCE), _MAX_SENTENCE)


def _text(text: object, longest: int = _MAX_TEXT) -> str:
    if not isinstance(text, str) or len(text) > longest:
        raise ValueError("a text is none, or too long")
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("a flag is neither true nor false")
    return value


def _listing(values: object, count: int) -> list[Any]:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"there are not {count} values")
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a number is none")
    return float(value)


def _numbers(values: object, count: int) -> list[float]:
    return [_number(value) for value in _listing(values, count)]


def _whole(value: object, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError("a whole number is none, or out of range")
    return value


def _wholes(values: object, count: int, *, least: int, most: int) -> tuple[int, ...]:
    return tuple(_whole(value, least=least, most=most) for value in _listing(values, count))


def _affine(values: object) -> NDArray[np.float64] | None:
    return None if values is None else np.array(_numbers(values, 16), np.float64).reshape(4, 4)


def _place(z_mm: object, number: object) -> Place:
    return Place(
        None if z_mm is None else _number(z_mm),
        None if number is None else _whole(number, least=-1_000_000, most=1_000_000),
    )


def answer_of(study: Study) -> tuple[Message, bytes]:
    """Return what is said of what an upload holds, and the pixels where it is one picture."""
    return of_slice(study) if isinstance(study, CtSlice) else (of_volume(study), b"")
