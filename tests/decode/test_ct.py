from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from model.decode.ct import CtSlice, Turn
from model.preprocess import WINDOW_HU

STORED = np.array([[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("turn", "displayed"),
    [
        (Turn(transpose=False, rows=False, columns=False), [[1, 2, 3], [4, 5, 6]]),
        (Turn(transpose=False, rows=True, columns=False), [[4, 5, 6], [1, 2, 3]]),
        (Turn(transpose=False, rows=False, columns=True), [[3, 2, 1], [6, 5, 4]]),
        (Turn(transpose=True, rows=False, columns=False), [[1, 4], [2, 5], [3, 6]]),
        (Turn(transpose=True, rows=True, columns=False), [[3, 6], [2, 5], [1, 4]]),
        (Turn(transpose=True, rows=False, columns=True), [[4, 1], [5, 2], [6, 3]]),
    ],
)
def test_a_slice_is_transposed_and_then_reversed(turn: Turn, displayed: list[list[int]]) -> None:
    assert turn.apply(STORED).tolist() == displayed


@pytest.mark.parametrize("flags", list(product([False, True], repeat=3)))
def test_undo_inverts_apply(flags: tuple[bool, bool, bool]) -> None:
    turn = Turn(*flags)
    np.testing.assert_array_equal(turn.undo(turn.apply(STORED)), STORED)


def test_hounsfield_units_become_bytes_by_the_window() -> None:
    ct_slice = CtSlice(np.array([[-2000.0, -1250.0, -500.0, 250.0, 3000.0]], np.float32), WINDOW_HU)
    assert ct_slice.hounsfield
    # Of 1500 HU, 750 are 127.5, which is rounded to the even number.
    assert ct_slice.as_bytes().tolist() == [[0, 0, 128, 255, 255]]
