from __future__ import annotations

from benchmarks.million import Cost
from benchmarks.scaling import page


def test_a_million_studies_are_worked_out_by_hand() -> None:
    # 10 studies of 360 slices of 0.5 seconds: half an hour of a core.
    cost = Cost(0.5, studies=10, slices=360)
    assert cost.core_hours == 0.5
    assert cost.dollars(price=2.0) == 1.0
    assert cost.hours(machines=5, cores=2) == 0.05


def test_the_page_tells_what_was_measured() -> None:
    runs = {name: {"whole_s": 9.0, "at_work_s": s} for name, s in (("alone", 3.0), ("one worker", 6.0), ("two", 4.0))}
    figures = {
        "made": "2026-01-02",
        "machine": "a machine",
        "volumes": 2,
        "slices": 30,
        "runs": runs,
        "two_of_one": 1.5,
        "core_s_of_a_slice": 0.096,
        "core_s_of_a_slice_on_the_cluster": 0.12,
    }
    told = page(figures)
    assert "| one worker | 9.0 | 6.0 |" in told
    assert "Two workers do 1.50 times what one does (0.75 of twice)" in told
    # A million times 150 slices of 0.096 seconds.
    assert "4,000 core hours" in told
    assert "| 10 | 25.0 hours | 160 |" in told
