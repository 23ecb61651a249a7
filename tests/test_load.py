"""The load test in small: what each kind of request is answered with, and the arithmetic of its figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.load import (
    DAMAGED,
    FORM,
    LOOK,
    REFUSED,
    REPORT,
    SLICE,
    WHY,
    Answer,
    Client,
    Measured,
    as_markdown,
    main,
    summary,
)

EXPECTED = {
    SLICE: {200, 503},
    FORM: {303, 503},
    LOOK: {200},
    REPORT: {200, 503},
    # Of a phantom without lesions there is nothing to explain.
    WHY: {200, 409, 503},
    REFUSED: {415, 503},
    DAMAGED: {422, 503},
}


def test_four_clients_get_what_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Answer] = []
    add = Measured.add

    def note(self: Measured, answer: Answer) -> None:
        seen.append(answer)
        add(self, answer)

    monkeypatch.setattr(Measured, "add", note)
    main(["--clients", "4", "--seconds", "6", "--out", str(tmp_path)])
    assert {answer.status in EXPECTED[answer.kind] for answer in seen} == {True}
    figures = json.loads((tmp_path / "load.json").read_text())
    assert figures["requests"] == sum(figures["statuses"].values()) > 0
    page = (tmp_path / "load.md").read_text()
    assert "4 clients for 6 seconds" in page
    assert "`make load CLIENTS=4 SECONDS=6`" in page


def measured() -> Measured:
    answers = [Answer(SLICE, 200, 1.0), Answer(SLICE, 200, 3.0), Answer(LOOK, 200, 0.5), Answer(SLICE, 503, 0.1)]
    # 2 MB for each 100 requests, after a first quarter that counts for nothing.
    return Measured(answers, [(0, 10.0), (50, 400.0), *[(100 * n, 500.0 + 2.0 * n) for n in range(1, 7)]])


def test_its_figures() -> None:
    figures = summary(measured(), clients=2, seconds=4.0)
    assert figures["statuses"] == {200: 3, 503: 1}
    assert figures["turned_away"] == 1
    assert figures["slices_per_second"] == 0.5
    assert figures["seconds_by_kind"][SLICE] == pytest.approx(
        {"count": 2, "p50": 2.0, "p95": 2.9, "p99": 2.98, "max": 3.0}
    )
    assert figures["seconds_by_kind"][FORM] is None
    assert figures["memory"]["mb_per_1000_requests"] == pytest.approx(20.0)
    assert "grew by 20.00 MB" in as_markdown(figures)
    assert "the median of the slopes\nbetween any two of the samples" in as_markdown(figures)


def test_reports_and_explanations_are_asked_for_of_a_result_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uploader(Client):
        def _request(
            self, method: str, path: str, body: bytes, headers: dict[str, str]
        ) -> tuple[int, dict[str, str], bytes]:
            return 303, {"Location": "/results/1"}, b""

    client = Uploader(0, 0, Measured(), [b"picture"])
    monkeypatch.setattr(load, "MIX", {REPORT: 1, WHY: 1})
    assert {client.choose() for _ in range(50)} == {LOOK}
    client.ask(FORM)
    assert {client.choose() for _ in range(50)} == {REPORT, WHY}


def test_without_a_look_at_memory_nothing_is_said_of_it() -> None:
    figures = summary(Measured(), clients=1, seconds=1.0)
    assert figures["memory"] is None
    assert "Memory" not in as_markdown(figures)


def test_the_mix_has_all_kinds() -> None:
    assert set(load.MIX) == set(EXPECTED)
