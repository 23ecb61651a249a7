"""How much of the machine others had."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks import disturbance
from benchmarks.disturbance import Watch, busy_s


def test_what_counts_as_busy(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    # user, nice, system, idle, waits for disks, interrupts, soft ones, stolen; then guests, which user holds already.
    stat.write_text("cpu  100 20 300 5000 600 7 8 9 50 60\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    assert busy_s(stat) == pytest.approx(444 / os.sysconf("SC_CLK_TCK"))


def test_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturbance, "STAT", tmp_path / "absent")
    assert Watch().others_cores() is None


def test_what_we_spend_ourselves_is_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"busy": 100.0, "ours": 10.0, "clock": 50.0}
    monkeypatch.setattr(disturbance, "busy_s", lambda stat: seconds["busy"])
    monkeypatch.setattr(disturbance, "_ours_s", lambda: seconds["ours"])
    monkeypatch.setattr(time, "monotonic", lambda: seconds["clock"])
    watch = Watch()
    # Ten seconds later 15 were spent, 12 of them by us: others had 0.3 cores.
    seconds |= {"busy": 115.0, "ours": 22.0, "clock": 60.0}
    assert watch.others_cores() == pytest.approx(0.3)
