"""Answers are believed of nobody: whatever a process says, it is a slice, a volume, an error, or refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model.decode.answers import as_elements, as_error, as_slice, as_study, of_error, of_slice, parse
from model.decode.ct import CtSlice
from model.decode.study import VolumeStudy
from model.errors import Busy, NotCt

SLICE: dict[str, Any] = {
    "kind": "slice",
    "shape": [2, 3],
    "dtype": "float32",
    "range": [-1250.0, 250.0],
    "spacing": [0.8, 0.7],
    "notes": ["A note."],
    "colour_share": 0.25,
}

VOLUME: dict[str, Any] = {
    "kind": "volume",
    "shape": [2, 40, 36],
    "affine": None,
    "extents": [5.0, 5.0],
    "sides_known": True,
    "places": [[100.0, 1], [None, None]],
    "notes": [],
    "origin": {"shape": [40, 36], "turn": [False, True, False], "identifiers": [["1", "2", "3"], ["1", "2", "4"]]},
}

AFFINE = np.eye(4).ravel().tolist()
NIFTI = {"shape": [36, 40, 2], "affine": AFFINE, "forms": [[AFFINE, 1], [AFFINE, 0]]}

PIXELS = np.arange(6, dtype=np.float32)


def fill(target: memoryview, content: bytes = PIXELS.tobytes()) -> int:
    size = min(len(target), len(content))
    target[:size] = content[:size]
    return size


def no_slice(number: int) -> CtSlice:
    return CtSlice(np.zeros((number + 1, 36), np.uint8), (0.0, 255.0))


def study_of(message: dict[str, Any]) -> VolumeStudy:
    return as_study(message, no_slice, lambda number: {}, str)


def test_a_slice_goes_there_and_back() -> None:
    pixels = PIXELS.reshape(2, 3)
    message, content = of_slice(CtSlice(pixels, (-1250.0, 250.0), (0.8, 0.7), ("A note.",), 0.25))
    assert json.loads(json.dumps(message)) == SLICE
    back = as_slice(SLICE, lambda target: fill(target, content))
    np.testing.assert_array_equal(back.pixels, pixels)
    assert (back.value_range, back.spacing_mm, back.notes, back.colour_share) == (
        (-1250.0, 250.0),
        (0.8, 0.7),
        ("A note.",),
        0.25,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "volume"},
        {"shape": [2]},
        {"shape": [2, -3]},
        {"shape": [2, 3.0]},
        {"shape": [2, True]},
        {"shape": [10_000, 10_000]},
        {"shape": [2, 4]},
        {"dtype": "object"},
        {"dtype": ["uint8"]},
        {"range": [250.0, -1250.0]},
        {"range": [0.0, "255"]},
        {"spacing": [0.0, 1.0]},
        {"colour_share": 1.5},
        {"colour_share": None},
        {"notes": "A note."},
        {"notes": [1]},
        {"notes": ["A note."] * 1000},
        {"notes": ["a" * 100_000]},
    ],
    ids=str,
)
def test_what_is_no_slice_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        as_slice(SLICE | change, fill)


def test_pixels_that_are_no_numbers_are_refused() -> None:
    content = np.full(6, np.nan, np.float32).tobytes()
    with pytest.raises(ValueError, match="no numbers"):
        as_slice(SLICE, lambda target: fill(target, content))


def test_notes_end_no_line_and_turn_no_text() -> None:
    assert as_slice(SLICE | {"notes": ["a\nb\u202ec\0"]}, fill).notes == ("abc",)


def test_a_volume_is_taken() -> None:
    study = study_of(VOLUME)
    assert (study.volume.shape, study.volume.extents_mm) == ((2, 40, 36), (5.0, 5.0))
    assert study.volume.places[0].image_number == 1
    assert study_of(VOLUME | {"origin": NIFTI}).volume.shape == (2, 40, 36)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "slice"},
        {"shape": [2, 40]},
        {"shape": [100_000, 40, 36]},
        {"shape": [2, 40_000, 36_000]},
        {"affine": AFFINE[:15]},
        {"affine": [*AFFINE[:15], None]},
        {"extents": [5.0]},
        {"extents": [5.0, -5.0]},
        {"sides_known": 1},
        {"places": [[100.0, 1]]},
        {"places": [[100.0, 1], [100.0]]},
        {"places": [[100.0, 1], [100.0, 10**9]]},
        {"origin": None},
        {"origin": {}},
        {"origin": VOLUME["origin"] | {"shape": [36, 40]}},
        {"origin": VOLUME["origin"] | {"turn": [False, True]}},
        {"origin": VOLUME["origin"] | {"identifiers": [["1", "2", "3"]]}},
        {"origin": VOLUME["origin"] | {"identifiers": [["1", "2", "3"], ["1", "2", "3" * 5000]]}},
        {"origin": NIFTI | {"shape": [36, 40, 3]}},
        {"origin": NIFTI | {"affine": None}},
        {"origin": NIFTI | {"forms": [[AFFINE, 1]]}},
        {"origin": NIFTI | {"forms": [[AFFINE, 1], [AFFINE, 10**9]]}},
    ],
    ids=str,
)
def test_what_is_no_volume_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        study_of(VOLUME | change)


def test_a_slice_of_another_size_than_its_volume_is_refused() -> None:
    with pytest.raises(ValueError, match="another size"):
        study_of(VOLUME).volume.read(0)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]\n", b"{\n", b'{"a": NaN}\n', b'{"a": Infinity}\n', b"\xff\n"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(line)


def test_errors_come_through_by_their_class() -> None:
    error = as_error(of_error(NotCt("No CT.")))
    assert isinstance(error, NotCt)
    assert str(error) == "No CT."


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), Busy("Busy.")])
def test_only_errors_of_the_sender_are_believed(error: Exception) -> None:
    # Whoever took the process over must not let the server pass for busy, or for broken.
    assert as_error(of_error(error)) is None


def test_an_error_that_was_not_foreseen_tells_its_class_alone() -> None:
    assert "secret" not in json.dumps(of_error(ZeroDivisionError("secret")))


@pytest.mark.parametrize("elements", [{"PixelData": "1"}, {"PatientID": 1}, {"PatientID": "1" * 5000}, ["PatientID"]])
def test_other_elements_are_refused(elements: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        as_elements({"elements": elements}, fill)
