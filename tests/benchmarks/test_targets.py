"""From what was measured to the figures that are aimed at."""

from __future__ import annotations

import pytest

from benchmarks.targets import PATIENT_BOUND, POOLED_BOUND, TARGETS, Target, judged, ratios
from tests.benchmarks.made import of_clients, parts
from training.measures import accuracy


def test_each_ratio_by_hand() -> None:
    assert ratios(parts()) == pytest.approx(
        {
            "network": 6.0,  # 180 / 30
            "request": 9.0,  # 450 / 50
            "picture_ms": 16.0,
            "volume": 6.0,  # 54 / 9
            "start": 10.0,  # 5 / 0.5
            "memory": 3.0,  # 1200 / (300 + 100)
            "throughput_share": 0.96,  # 19.2 / 20
            "dice_lost_pooled": 0.0025,
            "dice_lost_worst_patient": 0.0125,
        }
    )


def test_all_are_met() -> None:
    assert {told["met"] for told in judged(parts()).values()} == {True}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.key)
def test_a_bound_itself_is_met_and_what_is_beyond_is_not(target: Target) -> None:
    beyond = -1e-6 if target.at_least else 1e-6
    assert target.is_met(target.bound, parts()) is True
    assert target.is_met(target.bound + beyond, parts()) is False


@pytest.mark.parametrize(
    "others", [{"failed": 1}, {"turned_away": 1}, {"p95_s": 1.26}], ids=["failed", "turned away", "too long"]
)
def test_throughput_is_not_met_where_requests_fare_ill(others: dict[str, float]) -> None:
    made = parts()
    # At 19.2 a second, 16 clients in one line wait 0.83 s, and half as long again is 1.25 s.
    made["throughput"]["clients"][1] = of_clients(16, 19.2, **others)
    assert judged(made)["throughput_share"]["met"] is False


def test_who_is_turned_away_of_many_more_clients_matters_not() -> None:
    made = parts()
    assert made["throughput"]["clients"][2]["turned_away"] > 0
    assert judged(made)["throughput_share"]["met"] is True


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    made = parts()
    made["accuracy"] = {"lost_pooled": None, "lost_worst_patient": None, "absent": "the scans are not here"}
    made["memory"]["served"]["with_helpers_mb"] = None
    found, told = ratios(made), judged(made)
    for key in ("dice_lost_pooled", "dice_lost_worst_patient", "memory"):
        assert found[key] is None
        assert told[key]["met"] is None


def test_the_bounds_of_dice_are_those_of_the_export() -> None:
    assert (POOLED_BOUND, PATIENT_BOUND) == (accuracy.POOLED_BOUND, accuracy.PATIENT_BOUND)
