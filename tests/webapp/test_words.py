from __future__ import annotations

import pytest

from webapp.words import count, percent, probability, summary


def measurements(lesions: int, of_lung: float | None) -> dict[str, float | int | None]:
    return {"lesion_count": lesions, "lesion_percent_of_lung": of_lung, "lesion_percent_of_image": 2.0}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (measurements(0, 0.0), "No lesion found at this threshold."),
        (measurements(1, 12.36), "Lesions cover 12.4 % of the visible lung in 1 place."),
        (measurements(9, 0.01), "Lesions cover less than 0.1 % of the visible lung in 9 places."),
        (measurements(2, None), "Lesions cover 2.0 % of the picture in 2 places."),
    ],
)
def test_the_finding_is_one_sentence(given: dict[str, float | int | None], sentence: str) -> None:
    assert summary(given) == sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "unknown"), (0.0, "0.0 %"), (0.049, "less than 0.1 %"), (0.05, "0.1 %"), (100, "100.0 %")],
)
def test_percent(value: float | None, words: str) -> None:
    assert percent(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "less than 0.01"), (0.5, "0.50"), (0.994, "0.99"), (1.0, "more than 0.99")]
)
def test_a_probability_is_never_rounded_to_certainty(value: float, words: str) -> None:
    assert probability(value) == words


def test_count() -> None:
    assert (count(12043), count(None)) == ("12,043", "unknown")
