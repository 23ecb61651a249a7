from __future__ import annotations

import pytest

from webapp.pace import Pace


def test_nothing_is_known_before_a_slice_was_read() -> None:
    assert Pace().seconds(quality=False) is None


def test_it_is_the_median_so_that_one_slow_slice_does_not_count() -> None:
    pace = Pace()
    for seconds in (1.0, 2.0, 90.0):
        pace.add(seconds, quality=False)
    assert pace.seconds(quality=False) == 2.0
    assert pace.seconds(quality=True) is None


def test_only_the_last_nine_count() -> None:
    pace = Pace()
    for seconds in [100.0] * 9 + [1.0] * 5:
        pace.add(seconds, quality=True)
    assert pace.seconds(quality=True) == 1.0


def test_a_slice_that_could_not_be_read_does_not_count() -> None:
    pace = Pace()
    with pytest.raises(KeyError), pace.timing(quality=False):
        raise KeyError
    assert pace.seconds(quality=False) is None
    with pace.timing(quality=False):
        pass
    assert pace.seconds(quality=False) is not None
