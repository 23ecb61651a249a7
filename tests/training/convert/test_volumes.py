from __future__ import annotations

import numpy as np
import pytest

from training.convert.volumes import to_gray, to_mask


def test_the_window_is_as_computed_by_hand() -> None:
    values = np.array([-3024, -1250, -1000, -500, 0, 250, 3071], np.float32)
    # (-1000 + 1250) / 1500 * 255 = 42.5, which rounds to the even 42.
    assert to_gray(values, "scan").tolist() == [0, 0, 42, 128, 212, 255, 255]


def test_many_labels_are_not_all_listed() -> None:
    with pytest.raises(ValueError, match=r"256 labels \(0.5, 1, 1.5, 2, 2.5, ...\)"):
        to_mask(np.arange(257) / 2, "mask")


def test_wanted_labels_alone_are_foreground() -> None:
    assert to_mask(np.array([0, 1, 2, 3]), "mask", wanted=(1, 3)).tolist() == [0, 255, 0, 255]


def test_an_empty_mask_stays_empty() -> None:
    assert to_mask(np.zeros(3), "mask").tolist() == [0, 0, 0]
