from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.decode.ct import CtSlice, CtVolume, Place
from model.errors import DamagedImage
from model.recognise.judge import CHEST, SOFT, Recogniser, Recognition
from model.recognise.volume import LOOKED_AT, recognise_volume, spread, vote

GOOD, NARROW = Recognition(CHEST, False, ""), Recognition(SOFT, False, "It is in a soft-tissue window.")
HEAD, BELLY = Recognition("head CT", True, "It is a head."), Recognition("abdominal CT", True, "It is a belly.")


class Told(Recogniser):
    """Says of a slice what its gray value stands for, and keeps which were asked about."""

    def __init__(self, *answers: Recognition) -> None:
        self.answers, self.asked = answers, list[int]()

    def recognise(self, ct_slice: CtSlice) -> Recognition:
        self.asked.append(int(ct_slice.pixels[0, 0]))
        return self.answers[self.asked[-1] % len(self.answers)]


def volume(count: int, damaged: Sequence[int] = ()) -> CtVolume:
    """Slices whose gray value is their number."""

    def read(number: int) -> CtSlice:
        if number in damaged:
            raise DamagedImage("It is damaged.")
        return CtSlice(np.full((4, 4), number, np.uint8), (0.0, 255.0))

    return CtVolume((count, 4, 4), read, None, None, sides_known=False, places=(Place(),) * count)


def test_few_slices_are_looked_at_evenly() -> None:
    told = Told(GOOD)
    assert recognise_volume(volume(200), told) == GOOD
    assert told.asked == spread(200)
    assert len(told.asked) == LOOKED_AT


def test_damaged_slices_are_passed_over() -> None:
    assert recognise_volume(volume(2, damaged=[0]), Told(GOOD, HEAD)).refused
    assert recognise_volume(volume(1, damaged=[0]), Told(HEAD)) == Recognition("", False, "")


@pytest.mark.parametrize(("chests", "refused"), [(9, False), (3, False), (2, True), (0, True)])
def test_a_third_must_look_like_a_chest(chests: int, refused: bool) -> None:
    answer = vote([GOOD] * chests + [BELLY] * (LOOKED_AT - chests))
    assert answer.refused is refused
    if refused:
        counts = f"Slices that were looked at: 9; that look like a chest: {chests}."
        assert answer == Recognition("abdominal CT", True, f"It is a belly. {counts}")


def test_what_most_slices_look_like_is_told() -> None:
    assert vote([GOOD, NARROW, NARROW]) == NARROW
    assert vote([HEAD, BELLY, BELLY]).kind == "abdominal CT"


def test_of_one_slice_nothing_is_counted() -> None:
    assert vote([HEAD]) == HEAD
