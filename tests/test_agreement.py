from __future__ import annotations

import numpy as np
import pytest

from model.agreement import Agreement, agreement


def test_pixels_are_counted_at_the_threshold() -> None:
    plain = np.array([[0.9, 0.5, 0.4], [0.0, 0.6, 0.1]], np.float32)
    mirrored = np.array([[0.9, 0.4, 0.4], [0.7, 0.6, 0.1]], np.float32)
    assert agreement(plain, mirrored, 0.5) == Agreement(common_px=2, total_px=6)
    assert agreement(plain, mirrored, 0.5).dice == pytest.approx(2 / 3)
    assert agreement(plain, mirrored, 0.95).dice is None


def test_slices_add_up_before_they_are_compared() -> None:
    assert (Agreement(1, 4) + Agreement(3, 4)).dice == 1.0
    assert (Agreement(0, 0) + Agreement(1, 4)).dice == 0.5
