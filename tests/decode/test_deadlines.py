from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from model.decode.deadlines import DEADLINES, LOOKED_AT_EVERY_S, Deadlines


def test_a_block_that_takes_too_long_is_called_for_once_and_others_never() -> None:
    deadlines, called = Deadlines(), threading.Event()
    late: list[str] = []

    def note(name: str) -> None:
        late.append(name)
        called.set()

    with deadlines.within(60.0, lambda: note("slow")):
        with deadlines.within(0.0, lambda: note("late")):
            assert called.wait(30.0)
            time.sleep(3 * LOOKED_AT_EVERY_S)
    with deadlines.within(0.05, lambda: note("ended in time")):
        pass
    time.sleep(3 * LOOKED_AT_EVERY_S)
    assert late == ["late"]


def test_one_thread_looks_for_all() -> None:
    deadlines = Deadlines()
    before = threading.active_count()
    for _ in range(20):
        with deadlines.within(60.0, lambda: None):
            assert threading.active_count() == before + 1


def test_where_no_thread_can_be_started_nothing_is_left_to_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines, late = Deadlines(), list[str]()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as few:
        few.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"), deadlines.within(0.0, lambda: late.append("first")):
            pass
    with deadlines.within(60.0, lambda: late.append("second")):
        time.sleep(3 * LOOKED_AT_EVERY_S)
    assert not late


def test_what_fails_to_end_one_ends_the_others_all_the_same() -> None:
    deadlines, called = Deadlines(), threading.Event()

    def fail() -> None:
        raise OSError("it is gone")

    with deadlines.within(0.0, fail), deadlines.within(2 * LOOKED_AT_EVERY_S, called.set):
        assert called.wait(30.0)


def test_a_forked_process_ends_nothing_of_its_parents() -> None:
    fork = multiprocessing.get_context("fork")
    own, parents = fork.Event(), fork.Value("i", 0)

    def wait() -> None:
        with DEADLINES.within(0.0, own.set):
            own.wait(30.0)

    def note() -> None:
        parents.value += 1

    with DEADLINES.within(5 * LOOKED_AT_EVERY_S, note):
        process = fork.Process(target=wait)
        process.start()
        assert own.wait(30.0)
        process.join(30.0)
        time.sleep(10 * LOOKED_AT_EVERY_S)
    assert process.exitcode == 0
    assert parents.value == 1
