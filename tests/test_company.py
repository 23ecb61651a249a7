"""Processes that know of each other, and the network that gives way."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import engine
from model.card import SHIPPED_WEIGHTS, Identity
from model.company import Company
from model.engine import OpenVinoEngine, Sharing, load_engine
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess

FORK = multiprocessing.get_context("fork")
BATCH = preprocess(draw_phantom(EXAMPLES["many"]))[np.newaxis]


@contextmanager
def another(company: Company, number: int) -> Iterator[Any]:
    """A process of that number that asks until it is told to end; killed at the end of the block, if need be."""
    begun, may_end = FORK.Event(), FORK.Event()

    def ask() -> None:
        company.join(number)
        with company.asking():
            begun.set()
            may_end.wait(30.0)

    process = FORK.Process(target=ask)
    process.start()
    assert begun.wait(30.0)
    try:
        yield may_end
    finally:
        may_end.set()
        process.join(30.0)


def test_those_who_ask_are_counted_across_processes() -> None:
    company = Company()
    assert company.asked() == 0
    with another(company, 1), another(company, 2):
        assert company.asked() == 2
        with company.asking(), company.asking():
            assert company.asked() == 3
        assert company.asked() == 2
    assert company.asked() == 0


def test_one_that_was_killed_is_counted_no_more_once_it_has_left() -> None:
    company, begun = Company(), FORK.Event()

    def ask() -> None:
        company.join(7)
        with company.asking():
            begun.set()
            threading.Event().wait(60.0)

    process = FORK.Process(target=ask)
    process.start()
    assert begun.wait(30.0)
    process.kill()
    process.join(30.0)
    assert company.asked() == 1
    company.leave(7)
    assert company.asked() == 0


def test_the_busier_of_two_is_the_one_that_asks_more() -> None:
    company = Company()
    company.join(1)
    # Alone nobody is busier, however much it asks.
    with company.asking():
        assert not company.is_busier()
    with another(company, 2):
        assert not company.is_busier()
        with company.asking():
            # Both ask once.
            assert not company.is_busier()
            with company.asking():
                assert company.is_busier()
    company.leave(2)
    with company.asking(), company.asking():
        assert not company.is_busier()


def test_one_that_asks_nothing_counts_as_the_least_busy() -> None:
    company = Company()
    company.join(1)
    process = FORK.Process(target=lambda: company.join(2))
    process.start()
    process.join(30.0)
    assert not company.is_busier()
    with company.asking():
        assert company.is_busier()


class Counted:
    """A compiled network that keeps by how many threads it was asked."""

    taken, given = (1, 448, 448, 1), (1, 448, 448, 2)

    def __init__(self, threads: list[int]) -> None:
        self.threads = threads

    def request(self, threads: int) -> Any:
        """Return a request that answers with nothing but lung."""
        counted = self

        class Request:
            def infer(self, given: dict[int, Any]) -> Any:
                counted.threads.append(threads)
                return self

            def to_tuple(self) -> tuple[Any, ...]:
                return (np.ones((1, 448, 448, 2), np.float32),)

        return Request()


def test_it_takes_fewer_threads_while_another_process_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(engine, "Compiled", lambda *given, **named: Counted(threads))
    company = Company()
    asked = OpenVinoEngine(Path("a.xml"), Identity("a", ""), shared=Sharing(company, 3))
    asked.predict(BATCH)
    with another(company, 1):
        asked.predict(BATCH)
        asked.predict(np.repeat(BATCH, 2, axis=0))
    asked.predict(BATCH)
    assert threads == [0, 3, 3, 3, 0]


def test_with_fewer_threads_it_answers_the_same() -> None:
    company = Company()
    asked = load_engine(SHIPPED_WEIGHTS, shared=Sharing(company, 1))
    alone = asked.predict(BATCH)
    with another(company, 1):
        np.testing.assert_array_equal(asked.predict(BATCH), alone)
