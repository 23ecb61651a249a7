from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from training.measures.bootstrap import bootstrap

PATIENTS = {"a": [0.0, 0.0], "b": [1.0], "c": [2.0, 4.0]}


def figures(values: Sequence[float]) -> dict[str, float]:
    return {"mean": sum(values) / len(values), "count": float(len(values)), "never": math.nan}


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second, other = (
        bootstrap(PATIENTS, figures, rng=np.random.default_rng(seed), draws=50) for seed in (1, 1, 2)
    )
    assert first["mean"] == second["mean"]
    assert first["mean"] != other["mean"]


def test_patients_are_drawn_whole() -> None:
    seen: list[list[float]] = []

    def remember(values: Sequence[float]) -> dict[str, float]:
        seen.append(list(values))
        return {"mean": 0.0}

    bootstrap(PATIENTS, remember, rng=np.random.default_rng(0), draws=500)
    # Three patients give ten different samples of three, each summed up once, and each patient alone.
    assert len(seen) == 10 + 3
    assert [0.0, 0.0, 1.0, 2.0, 4.0] in seen
    assert [1.0, 1.0, 1.0] in seen


def test_the_interval_is_that_of_all_samples_spelled_out() -> None:
    rng = np.random.default_rng(3)
    found = bootstrap(PATIENTS, figures, rng=rng, draws=400)
    names = sorted(PATIENTS)
    drawn = np.random.default_rng(3).integers(3, size=(400, 3))
    means = [figures([value for member in sample for value in PATIENTS[names[member]]])["mean"] for sample in drawn]
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found["mean"].low, found["mean"].high) == pytest.approx((low, high))


def test_one_patient_says_nothing_about_others() -> None:
    found = bootstrap({"a": [1.0, 5.0]}, figures, rng=np.random.default_rng(0), draws=20)["mean"]
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_figure_of_one_patient_says_nothing_about_others() -> None:
    def mean_of_known(values: Sequence[float]) -> dict[str, float]:
        known = [value for value in values if not math.isnan(value)]
        return {"mean": sum(known) / len(known) if known else math.nan}

    patients = {"a": [0.1, 0.2], "b": [math.nan], "c": [math.nan, math.nan]}
    found = bootstrap(patients, mean_of_known, rng=np.random.default_rng(0), draws=100)["mean"]
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_figure_that_two_patients_have_only_together_has_no_interval() -> None:
    def both_kinds(values: Sequence[float]) -> dict[str, float]:
        return {"difference": 2.0 if {1.0, 3.0} <= set(values) else math.nan}

    found = bootstrap({"a": [1.0], "b": [3.0]}, both_kinds, rng=np.random.default_rng(0), draws=100)["difference"]
    assert math.isnan(found.low)


def test_patients_who_agree_have_an_interval_without_width() -> None:
    found = bootstrap({"a": [1.0], "b": [1.0, 1.0]}, figures, rng=np.random.default_rng(0), draws=20)["mean"]
    assert (found.low, found.high) == (1.0, 1.0)


def test_what_is_never_defined_has_no_interval() -> None:
    found = bootstrap(PATIENTS, figures, rng=np.random.default_rng(0), draws=20)["never"]
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_it_refuses_to_draw_from_nothing() -> None:
    with pytest.raises(ValueError, match="got 0 groups"):
        bootstrap({}, figures, rng=np.random.default_rng(0))
