"""How many cores the networks of the command line take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from model.cores import CORES, usable_cores
from model.engine import Engine
from model.networks import NetworkLoader


@pytest.mark.parametrize(("told", "threads"), [("1", 1), (None, 0), ("none", 0)])
def test_a_process_that_was_told_its_part_takes_no_more(
    told: str | None, threads: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(weights: Sequence[Path], *, threads: int, streams: int) -> Engine:
        asked.append((threads, streams))
        return engine

    monkeypatch.delenv(CORES, raising=False)
    if told is not None:
        monkeypatch.setenv(CORES, told)
    monkeypatch.setattr("model.networks.load_ensemble", load)
    networks = NetworkLoader(volumes=True)
    networks.wait()
    networks.for_slices()
    assert asked[0] == (threads, usable_cores())
    assert {each for each, _ in asked} == {threads}
    if told == "1":
        assert usable_cores() == 1
