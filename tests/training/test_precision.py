"""Which form of a network is served, by figures that are known."""

from __future__ import annotations

import pytest

from training.measures.accuracy import Accuracy, compare
from training.precision import Measured, fastest

ORIGINAL = Accuracy(0.8, {"a": 0.9, "b": 0.6})


def form(pooled: float, worst: float, *, ms: float) -> Measured:
    """A form with so much Dice over all slices, and of patient b."""
    accuracy = Accuracy(pooled, {"a": 0.9, "b": worst})
    return Measured(accuracy, compare(ORIGINAL, accuracy), ms)


def test_the_fastest_within_bounds_is_served() -> None:
    measured = {"int8": form(0.7975, 0.5825, ms=30.0), "bf16": form(0.8, 0.6, ms=60.0), "f32": form(0.8, 0.6, ms=100.0)}
    assert fastest(measured) == "int8"


@pytest.mark.parametrize(("pooled", "worst"), [(0.79, 0.6), (0.8, 0.575), (float("nan"), 0.6), (0.8, float("nan"))])
def test_a_form_that_loses_too_much_is_not_served(pooled: float, worst: float) -> None:
    assert fastest({"int8": form(pooled, worst, ms=30.0), "f32": form(0.8, 0.6, ms=100.0)}) == "f32"


def test_without_a_form_within_bounds_all_losses_are_told() -> None:
    with pytest.raises(ValueError, match=r"int8 0\.0200 and 0\.1000, f32 0\.0100 and 0\.0000; the bounds are 0\.005"):
        fastest({"int8": form(0.78, 0.5, ms=30.0), "f32": form(0.79, 0.6, ms=100.0)})


def test_a_form_may_gain() -> None:
    loss = compare(ORIGINAL, Accuracy(0.9, {"a": 0.95, "b": 0.7}))
    assert [loss.pooled, loss.worst_patient] == pytest.approx([-0.1, -0.05])
    assert loss.is_bearable
