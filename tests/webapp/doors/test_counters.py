from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from webapp.doors.counters import FileCounters


@pytest.fixture
def counters(tmp_path: Path) -> FileCounters:
    return FileCounters(tmp_path / "new" / "rates.sqlite3")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as the counters see it."""
    now = [1000.0]
    monkeypatch.setattr("webapp.doors.counters.time.time", lambda: now[0])
    return now


def test_each_key_is_counted_apart(counters: FileCounters) -> None:
    assert [counters.incr("a", 60), counters.incr("a", 60), counters.incr("b", 60), counters.incr("a", 60, 3)] == [
        1,
        2,
        1,
        5,
    ]
    assert (counters.get("a"), counters.get("b"), counters.get("c")) == (5, 1, 0)


def test_the_file_is_the_servers_own(counters: FileCounters, tmp_path: Path) -> None:
    counters.incr("a", 60)
    assert stat.S_IMODE((tmp_path / "new" / "rates.sqlite3").stat().st_mode) == 0o600


def test_a_count_begins_anew_after_its_time(counters: FileCounters, clock: list[float]) -> None:
    counters.incr("a", 60)
    clock[0] = 1059.0
    assert counters.incr("a", 60) == 2
    # Counted from the first, not from the last.
    assert counters.get_expiry("a") == 1060.0
    clock[0] = 1060.0
    assert counters.get("a") == 0
    assert counters.incr("a", 60) == 1
    assert counters.get_expiry("a") == 1120.0


def test_whoever_does_not_come_back_is_forgotten(counters: FileCounters, clock: list[float]) -> None:
    for key in ("a", "b", "c"):
        counters.incr(key, 60)
    clock[0] = 1061.0
    counters.incr("d", 60)
    assert counters.reset() == 1


def test_counts_can_be_cleared(counters: FileCounters) -> None:
    counters.incr("a", 60)
    counters.clear("a")
    assert counters.get("a") == 0
    assert counters.check()


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counters = FileCounters(tmp_path / "file" / "rates.sqlite3")
    assert not counters.check()
    with pytest.raises(counters.base_exceptions):
        counters.incr("a", 60)


def _count(path: Path, times: int) -> None:
    for _ in range(times):
        FileCounters(path).incr("a", 600)


def test_processes_that_count_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "rates.sqlite3"
    processes = [context.Process(target=_count, args=(path, 100)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert FileCounters(path).get("a") == 300
