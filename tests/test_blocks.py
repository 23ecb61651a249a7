from __future__ import annotations

import numpy as np
import pytest

from model.blocks import pieces
from model.overlay import heat_map, overlay
from model.steps import to_probability, to_steps

GRAY = np.arange(200 * 170).reshape(200, 170).astype(np.uint8)
PROBABILITY = np.linspace(0.0, 1.0, 200 * 170, dtype=np.float32).reshape(170, 200).T.copy()


def drawn() -> list[np.ndarray]:
    steps = to_steps(PROBABILITY, 0.123)
    return [overlay(GRAY, PROBABILITY, threshold=0.4), heat_map(PROBABILITY), steps, to_probability(steps)]


def test_each_pixel_is_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.blocks.PIXELS", 4)
    assert list(pieces(9)) == [slice(0, 4), slice(4, 8), slice(8, 9)]
    assert list(pieces(4)) == [slice(0, 4)]
    assert list(pieces(0)) == []


def test_in_pieces_a_picture_is_what_it_is_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = drawn()
    monkeypatch.setattr("model.blocks.PIXELS", 97)
    for one, other in zip(drawn(), whole, strict=True):
        np.testing.assert_array_equal(one, other)
