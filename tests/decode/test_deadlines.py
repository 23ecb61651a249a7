from __future__ import annotations

import multiprocessing
import threading
import time

from model.decode.deadlines import LOOKED_AT_EVERY_S, Deadlines


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


def test_a_forked_process_has_a_thread_of_its_own() -> None:
    deadlines = Deadlines()
    with deadlines.within(60.0, lambda: None):
        pass
    fork = multiprocessing.get_context("fork")
    called = fork.Event()

    def wait() -> None:
        with deadlines.within(0.0, called.set):
            called.wait(30.0)

    process = fork.Process(target=wait)
    process.start()
    assert called.wait(30.0)
    process.join(30.0)
    assert process.exitcode == 0
