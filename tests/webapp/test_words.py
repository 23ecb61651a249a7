from __future__ import annotations

from typing import Any

import pytest

from webapp.words import chart, chart_scale, count, percent, probability, report_rows, slice_summary, summary


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


def row(area_px: int | None, **figures: Any) -> dict[str, Any]:
    """A slice in Hounsfield units, with pixels of 2 mm²."""
    known = {
        "is_read": area_px is not None,
        "lesion_area_px": area_px,
        "lesion_area_mm2": None if area_px is None else 2.0 * area_px,
        "lesion_percent_of_lung": 12.36,
        "lesion_mean_hu": -612.4,
        "ground_glass_percent": 92.6,
        "image_number": None,
        "z_mm": None,
    }
    return known | figures


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (row(160), "3.2 cm² of lesion, 12.4 % of the lung in this slice; mean −612 HU, 93 % ground glass."),
        (row(160, lesion_percent_of_lung=None), "3.2 cm² of lesion; mean −612 HU, 93 % ground glass."),
        (
            row(1600, lesion_area_mm2=None, lesion_mean_hu=None, ground_glass_percent=None),
            "1,600 px of lesion, 12.4 % of the lung in this slice.",
        ),
        (row(1, lesion_mean_hu=None), "less than 0.1 cm² of lesion, 12.4 % of the lung in this slice."),
        (row(0, lesion_mean_hu=None, ground_glass_percent=None), "No lesion in this slice."),
        (row(None), "This slice was not read: its file is damaged."),
        (row(0, image_number=29, z_mm=-104.25), "No lesion in this slice. Image 29 of the series, at −104.2 mm."),
        (row(0, z_mm=3.0), "No lesion in this slice. At 3.0 mm."),
    ],
)
def test_what_a_slice_shows_is_one_sentence(given: dict[str, Any], sentence: str) -> None:
    assert slice_summary(given) == sentence


def test_any_lesion_has_a_bar_that_is_seen() -> None:
    assert chart([row(area) for area in (0, 1, 1_000_000, None)]) == [0.0, 4.0, 100.0, 0.0]


@pytest.mark.parametrize(
    ("rows", "scale"),
    [
        ([row(0), row(160), row(None)], "3.2 cm²"),
        ([row(5, lesion_area_mm2=None), row(1234, lesion_area_mm2=None)], "1,234 px"),
        ([row(0), row(None)], ""),
    ],
)
def test_the_chart_states_what_its_highest_bar_is(rows: list[dict[str, Any]], scale: str) -> None:
    assert chart_scale(rows) == scale


@pytest.mark.parametrize(
    ("lung", "told"), [(None, "not told by this network"), (0, "none found"), (51219, "51,219 px")]
)
def test_the_report_tells_of_the_lung_as_far_as_it_is_known(lung: int | None, told: str) -> None:
    measured = {
        "lesion_percent_of_lung": None,
        "lung_area_px": lung,
        "lesion_count": 2,
        "largest_lesion_px": 1204,
        "lesion_area_px": 1500,
        "lesion_percent_of_image": 4.5,
        "highest_probability": 0.999,
    }
    rows = dict(report_rows(measured, "not asked"))
    assert (rows["Lung in this slice"], rows["Largest lesion"], rows["How sure"]) == (told, "1,204 px", "not asked")
    assert rows["Highest probability"] == "more than 0.99, the network's own estimate"
