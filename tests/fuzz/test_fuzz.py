"""Half a minute of what `make fuzz` does for ten, the same files each time; and what it has found before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.harness import FOUND, Harness, Unforeseen
from tests.fuzz.mutations import FORMATS, mutated
from tests.fuzz.samples import samples

EXAMPLES = {"compressed DICOM": 15}
"""Each of them starts a process for its pixels."""

OTHERWISE = 120


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    with Harness() as harness:
        yield harness


@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files_give_a_study_or_a_sentence(kind: str, harness: Harness) -> None:
    @settings(
        max_examples=EXAMPLES.get(kind, OTHERWISE),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(kind))
    def check(content: bytes) -> None:
        harness.check(content)

    check()


@pytest.mark.parametrize("kind", FORMATS)
def test_what_mutations_begin_with_is_read(kind: str, harness: Harness) -> None:
    before = harness.read
    for content in samples()[kind]:
        harness.check(content)
    assert harness.read == before + len(samples()[kind])


@pytest.mark.parametrize("path", sorted(FOUND.glob("*")), ids=lambda path: path.name)
def test_what_was_found_before(path: Path, harness: Harness) -> None:
    harness.check(path.read_bytes())


def test_what_ends_its_reader_is_found(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange(process: object, question: bytes) -> object:
        raise ValueError("it died")

    with monkeypatch.context() as patch:
        patch.setattr("model.decode.guarded._exchange", exchange)
        with pytest.raises(Unforeseen, match="ended the process"):
            harness.check(samples()["PNG"][0])
    harness.check(samples()["PNG"][0])
