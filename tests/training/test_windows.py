from __future__ import annotations

import numpy as np
import pytest

from training.measures.robustness import Robustness, Step
from training.windows import WINDOWS, as_table, leave, match_linearly, match_quantiles, usual_quantiles


def picture(low: int = 40, high: int = 200) -> np.ndarray:
    """(16, 16) uint8: half dark, a quarter bright, the rest between."""
    values = np.full((16, 16), low, np.uint8)
    values[8:, :8], values[8:, 8:] = (low + high) // 2, high
    return values


def test_a_usual_picture_stays_as_it_is() -> None:
    usual = usual_quantiles([picture()])
    for change in (leave, match_linearly, match_quantiles):
        np.testing.assert_allclose(change(picture(), usual), picture(), atol=1)


@pytest.mark.parametrize("change", [match_linearly, match_quantiles])
def test_another_window_is_brought_back(change: object) -> None:
    narrower = picture(0, 240)
    assert callable(change)
    np.testing.assert_allclose(change(narrower, usual_quantiles([picture()])), picture(), atol=1)


def test_one_gray_value_becomes_the_usual_mean() -> None:
    flat = np.full((4, 4), 7, np.uint8)
    usual = usual_quantiles([np.full((4, 4), 9, np.uint8)])
    assert np.array_equal(match_linearly(flat, usual), np.full((4, 4), 9))


def test_the_table_has_a_line_for_each_strength() -> None:
    steps = {name: [Step(0.0, 0.8, 0.9), Step(2.0, 0.7, 0.95)] for name in WINDOWS}
    table = as_table({"one": Robustness(steps, 3, 3), "other": Robustness(steps, 3, 3)}).splitlines()
    assert table[0] == "| window | strength | Dice, one | Dice, other | clean, one | clean, other |"
    assert table[3] == f"| {WINDOWS[0]} | 2 | 0.700 | 0.700 | 0.950 | 0.950 |"
    assert len(table) == 2 + 2 * len(WINDOWS)
