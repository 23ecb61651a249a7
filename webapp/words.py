"""Sentences and figures as the pages and the API say them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from model.export import names
from model.export.lines import percent as percent

FILE_LABELS = {
    names.REPORT: "Report, PDF",
    names.MONTAGE: "Montage, PNG",
    names.MASK: "Mask, NIfTI",
    names.SEG: "Mask, DICOM SEG",
    names.PROBABILITY: "Probabilities, NIfTI",
    names.CSV: "Slices, CSV",
    names.JSON: "Measurements, JSON",
}
"""What the files of a volume are called on its page."""


def summary(measurements: dict[str, float | int | None]) -> str:
    """Return the finding as one sentence that can be read aloud.

    measurements : as `model.findings.Findings.as_dict` gives them.
    """
    count = measurements["lesion_count"]
    if not count:
        return "No lesion found at this threshold."
    places = "1 place" if count == 1 else f"{count} places"
    share = measurements["lesion_percent_of_lung"]
    if share is None:
        return f"Lesions cover {percent(measurements['lesion_percent_of_image'])} of the picture in {places}."
    return f"Lesions cover {percent(share)} of the visible lung in {places}."


def slice_summary(row: Mapping[str, Any]) -> str:
    """Return what one slice of a volume shows.

    row : as `model.volume.findings.SliceRow.as_dict` gives it.
    """
    area, share = row["lesion_area_mm2"], row["lesion_percent_of_lung"]
    if not row["lesion_area_px"]:
        return "No lesion in this slice."
    size = f"{count(row['lesion_area_px'])} px" if area is None else _square_centimetres(area / 100.0)
    return f"{size} of lesion" + ("." if share is None else f", {percent(share)} of the lung in this slice.")


def _square_centimetres(area: float) -> str:
    return "less than 0.1 cm²" if area < 0.05 else f"{area:.1f} cm²"


def chart(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the height of each slice's bar, 0 ... 100, the largest lesion area being 100.

    >>> chart([{"lesion_area_px": 0}, {"lesion_area_px": 5}, {"lesion_area_px": 10}])
    [0.0, 50.0, 100.0]
    """
    largest = max(max(row["lesion_area_px"] for row in rows), 1)
    return [round(100.0 * row["lesion_area_px"] / largest, 1) for row in rows]


def duration(seconds: float) -> str:
    """Return how long something will take, rounded as people say it.

    >>> duration(4.2), duration(61.0)
    ('about 5 seconds', 'about 2 minutes')
    """
    if seconds < 55.0:
        return f"about {max(5, 5 * round(seconds / 5.0))} seconds"
    minutes = math.ceil(seconds / 60.0)
    return f"about {minutes} {'minute' if minutes == 1 else 'minutes'}"


def probability(value: float) -> str:
    """Return a probability with two decimals, without rounding to a certainty that no network has.

    >>> probability(0.874), probability(0.9996), probability(0.001)
    ('0.87', 'more than 0.99', 'less than 0.01')
    """
    if value >= 0.995:
        return "more than 0.99"
    return f"{value:.2f}" if value >= 0.005 else "less than 0.01"


def count(value: float | int | None) -> str:
    """Return a whole number with its thousands apart.

    >>> count(12043)
    '12,043'
    """
    return "unknown" if value is None else f"{value:,.0f}"
