from __future__ import annotations

import pytest

from model.recognise.judge import CHEST, SOFT, Recognition
from model.recognise.volume import LOOKED_AT, vote

GOOD, NARROW = Recognition(CHEST, False, ""), Recognition(SOFT, False, "It is in a soft-tissue window.")
HEAD, BELLY = Recognition("head CT", True, "It is a head."), Recognition("abdominal CT", True, "It is a belly.")


@pytest.mark.parametrize(("chests", "refused"), [(9, False), (3, False), (2, True), (0, True)])
def test_a_third_must_look_like_a_chest(chests: int, refused: bool) -> None:
    answer = vote([GOOD] * chests + [BELLY] * (LOOKED_AT - chests))
    assert answer.refused is refused
    if refused:
        counts = f"Slices that were looked at: 9; that look like a chest: {chests}."
        assert answer == Recognition("abdominal CT", True, f"It is a belly. {counts}")


def test_of_no_slice_nothing_is_told() -> None:
    assert vote([]) == Recognition("", False, "")


def test_what_most_slices_look_like_is_told() -> None:
    assert vote([GOOD, NARROW, NARROW]) == NARROW
    assert vote([HEAD, BELLY, BELLY]).kind == "abdominal CT"


def test_of_one_slice_nothing_is_counted() -> None:
    assert vote([HEAD]) == HEAD
