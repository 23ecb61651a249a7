from __future__ import annotations

import numpy as np
import pytest

from training.data.mixture import Mixture, mix


def test_every_labelled_slice_comes_once_unless_a_total_is_given() -> None:
    assert mix([60, 10], [0.25]) == Mixture((60, 10), (60, 20))
    assert mix([60, 10], [0.25], total=40) == Mixture((60, 10), (30, 10))
    assert mix([60], []) == Mixture((60,), (60,))


def test_an_epoch_repeats_no_slice_before_all_have_come() -> None:
    order = Mixture((3, 4), (7, 2)).order(np.random.default_rng(0))
    times = np.bincount(order, minlength=7)
    assert sorted(times[:3]) == [2, 2, 3]
    assert sorted(times[3:]) == [0, 0, 1, 1]


def test_a_part_that_is_not_wanted_does_not_come() -> None:
    assert sorted(Mixture((3, 4), (3, 0)).order(np.random.default_rng(0))) == [0, 1, 2]


def test_an_epoch_is_drawn_from_its_generator() -> None:
    mixture = Mixture((50, 50), (30, 30))
    first, again, other = (mixture.order(np.random.default_rng(seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("shares", [[0.0], [-0.1], [0.6, 0.4]])
def test_shares_must_leave_room_for_the_labelled_slices(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="shares must each be above 0 and together below 1"):
        mix([1] * (len(shares) + 1), shares)


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a part of the data is empty: \[5, 0\] slices"):
        mix([5, 0], [0.5])
