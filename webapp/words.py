"""Sentences and figures as the pages and the API say them."""

from __future__ import annotations

NOTICE = "For research only. Groundglass is not a medical device."


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


def percent(value: float | int | None) -> str:
    """Return a share of 0 ... 100 with one decimal; what rounds to nothing but is not is said to be less.

    >>> percent(12.36), percent(0.0), percent(0.01)
    ('12.4 %', '0.0 %', 'less than 0.1 %')
    """
    if value is None:
        return "unknown"
    if 0.0 < value < 0.05:
        return "less than 0.1 %"
    return f"{value:.1f} %"


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
