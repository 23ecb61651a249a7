"""Sentences and figures as the pages and the API say them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from model.export import names
from model.export.lines import number
from model.export.lines import percent as percent
from model.export.lines import sides as sides
from model.export.lines import size as size
from model.export.pdf import made_on
from webapp.jobs.status import QUEUED, Status

FILE_LABELS = {
    names.REPORT: "Report, PDF",
    names.MONTAGE: "Montage, PNG",
    names.CSV: "Slices, CSV",
    names.JSON: "Measurements, JSON",
    names.SEG: "Mask, DICOM SEG",
    names.MASK: "Mask, NIfTI",
    names.PROBABILITY: "Probabilities, NIfTI",
}
"""What the files of a volume are called on its page, in its order."""


CAPTIONS = {
    "overlay": "Heat map and outline",
    "mask": "Mask: what is lesion at the threshold",
    "heat": "Probability of lesion, that below the threshold too",
    "why": "What made the network mark lesions",
}
"""What is said below a picture."""

LABELS = {
    "original": "The CT slice as it was read.",
    "overlay": "The CT slice with lesions coloured by probability.",
    "mask": "The lesions of the CT slice, white on black.",
    "heat": "The probability of lesion everywhere in the CT slice, by colour.",
    "why": "The CT slice with what made the network mark lesions.",
}
"""What is said in the place of a picture."""


HELP = {
    "Share of the lungs in this scan": "share",
    "Share of the lung in this slice": "share",
    "Severity": "severity",
    "Lesion volume": "area",
    "Lesions": "count",
}
"""Which figures of a volume the help page explains, and where."""

WHY = (
    "The map shows which regions raised the score of the called lesion. "
    "It does not prove that the network reasons like a radiologist."
)
WHY_MEASURED = (
    "It is coarse, and most of it lies beside what is called: of the maps of groundglass-2 on 24 slices, 11 % lay "
    "within the called lesion on average, in the median slice 5 %; a map that knew nothing would have 2 % there."
)
"""By the project's report, docs/report; a test holds it against that."""


def drawn_size(shape: Sequence[int], spacing_mm: Sequence[float] | None) -> tuple[int, float]:
    """Return width and height in which a slice has the patient's proportions.

    shape : (slices, H, W). spacing_mm : height and width of a pixel; where it is unknown, pixels are taken for square.

    >>> drawn_size((9, 512, 400), (1.5, 0.75)), drawn_size((9, 512, 400), None)
    ((400, 1024.0), (400, 512.0))
    """
    _, rows, columns = shape
    stretch = spacing_mm[0] / spacing_mm[1] if spacing_mm else 1.0
    return columns, round(rows * stretch, 2)


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


def pictures_summary(pictures: Sequence[Mapping[str, Any]]) -> str:
    """Return what was found in several pictures, each read by itself; those that are refused do not count.

    pictures : "lesion_count" and "recognition" of each, the latter as `model.recognise.judge.Recognition.as_dict` gives
    it. Of those that count, the ones with a warning are counted once more.

    >>> ill, turned, hand = (
    ...     {"lesion_count": 2, "recognition": {"refused": refused, "sentence": told}}
    ...     for refused, told in ((False, ""), (False, "It is upside down."), (True, "It is a hand."))
    ... )
    >>> pictures_summary([ill, hand, ill | {"lesion_count": 0}])
    'Lesions were found in 1 of 2 pictures.'
    >>> pictures_summary([ill, turned])
    'Lesions were found in 2 of 2 pictures. Look at 1 of them with care.'
    >>> pictures_summary([turned | {"lesion_count": 0}, hand])
    'No lesion was found in 1 picture. Look at it with care.'
    """
    if not pictures:
        return "None of the files could be read."
    read = [picture for picture in pictures if not picture["recognition"]["refused"]]
    if not read:
        return "None of the pictures looks like a chest CT."
    found, several = sum(bool(picture["lesion_count"]) for picture in read), _several(len(read))
    told = f"Lesions were found in {found} of {several}." if found else f"No lesion was found in {several}."
    doubtful = sum(bool(picture["recognition"]["sentence"]) for picture in read)
    which = "it" if len(read) == 1 else f"{doubtful} of them"
    return f"{told} Look at {which} with care." if doubtful else told


def _several(pictures: int) -> str:
    return "1 picture" if pictures == 1 else f"{pictures} pictures"


def figures(measurements: Mapping[str, Any]) -> dict[str, str]:
    """Return the figures of a slice that follow the threshold, as its page says them, by name.

    measurements : as `model.findings.Findings.as_dict` gives them. The scripts of the viewer say the same.
    """
    largest = measurements["largest_lesion_px"]
    return {
        "share": percent(measurements["lesion_percent_of_lung"]),
        "share_of": _share_of(measurements["lung_area_px"]),
        "count": count(measurements["lesion_count"]),
        "largest": f"largest {count(largest)} px" if largest else "",
        "area": f"{count(measurements['lesion_area_px'])} px",
        "picture": percent(measurements["lesion_percent_of_image"]),
    }


def report_rows(measurements: Mapping[str, Any], sure: str) -> list[tuple[str, str]]:
    """Return name and value of each figure of a slice as its report has them.

    measurements : as `model.findings.Findings.as_dict` gives them. sure : see `certainty`.
    """
    told, lung = figures(measurements), measurements["lung_area_px"]
    lung_told = "not told by this network" if lung is None else f"{count(lung)} px" if lung else "none found"
    return [
        ("Share of the visible lung", told["share"]),
        ("Lung in this slice", lung_told),
        ("Number of lesions", told["count"]),
        ("Largest lesion", f"{count(measurements['largest_lesion_px'])} px"),
        ("Lesion area", told["area"]),
        ("Share of the picture", told["picture"]),
        ("Highest probability", f"{probability(measurements['highest_probability'])}, the network's own estimate"),
        ("How sure", sure),
    ]


def _share_of(lung_area_px: int | None) -> str:
    if lung_area_px is None:
        return "This network marks lesions only, not the lung."
    if not lung_area_px:
        return "No lung was found in this picture. Is it a chest CT slice in a lung window?"
    return f"of {count(lung_area_px)} px of lung in this slice"


def certainty(flip_dice: float | None, *, quality: bool) -> str:
    """Return how sure a reading is, by how well mirrored readings of the slice agree.

    flip_dice : 0 ... 1, None where it was not measured.

    >>> certainty(0.938, quality=True), certainty(None, quality=False)
    ('the mirrored readings agree, Dice 0.94', 'not asked')
    """
    if flip_dice is None:
        return "unknown: there is no lesion to compare" if quality else "not asked"
    agree = "agree" if flip_dice >= AGREE_FROM else "differ"
    return f"the mirrored readings {agree}, Dice {flip_dice:.2f}"


LUNG_FOLLOWS = "Lesion counts as lung, so a lower threshold makes the lung larger too."
"""What is to be known of the figures where the threshold is moved."""

AGREE_FROM = 0.7
"""Dice of mirrored readings from which they are said to agree: about what two human readers reach."""


def slice_summary(row: Mapping[str, Any]) -> str:
    """Return what one slice of a volume shows, and where other viewers have it.

    row : as `model.volume.rows.SliceRow.as_dict` gives it.
    """
    return _slice_finding(row) + _slice_place(row)


def _slice_finding(row: Mapping[str, Any]) -> str:
    if not row["is_read"]:
        return "This slice was not read: its file is damaged."
    if not row["lesion_area_px"]:
        return "No lesion in this slice."
    told = f"{_lesion_area(row)} of lesion"
    share, mean_hu, ground_glass = (
        row[name] for name in ("lesion_percent_of_lung", "lesion_mean_hu", "ground_glass_percent")
    )
    if share is not None:
        told += f", {percent(share)} of the lung in this slice"
    if mean_hu is not None and ground_glass is not None:
        told += f"; mean {number(mean_hu, 0)} HU, {ground_glass:.0f} % ground glass"
    return f"{told}."


def _slice_place(row: Mapping[str, Any]) -> str:
    image = [] if row["image_number"] is None else [f"image {row['image_number']} of the series"]
    height = [] if row["z_mm"] is None else [f"at {number(row['z_mm'], 1)} mm"]
    told = ", ".join([*image, *height])
    return f" {told[0].upper()}{told[1:]}." if told else ""


def _lesion_area(row: Mapping[str, Any]) -> str:
    if row["lesion_area_mm2"] is None:
        return f"{count(row['lesion_area_px'])} px"
    area = row["lesion_area_mm2"] / 100.0
    return "less than 0.1 cm²" if area < 0.05 else f"{area:.1f} cm²"


LEAST_BAR = 4.0
"""What a slice with any lesion has in the chart, so that it is seen."""


def chart(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the height of each slice's bar, 0 ... 100, the largest lesion area being 100.

    >>> chart([{"lesion_area_px": area} for area in (None, 0, 1, 500, 1000)])
    [0.0, 0.0, 4.0, 50.0, 100.0]
    """
    # A slice that was not read has no area.
    areas = [row["lesion_area_px"] or 0 for row in rows]
    return [max(LEAST_BAR, round(100.0 * area / max(areas), 1)) if area else 0.0 for area in areas]


def chart_scale(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how large the lesion of the highest bar is; nothing where no slice has a lesion."""
    highest = max(rows, key=lambda row: row["lesion_area_px"] or 0)
    return _lesion_area(highest) if highest["lesion_area_px"] else ""


def chart_caption(rows: Sequence[Mapping[str, Any]], most_affected: int | None) -> str:
    """Return what the chart shows, in one sentence.

    most_affected : the slice with the largest area, None where there is no lesion.
    """
    scale = chart_scale(rows)
    return f"Lesion area by slice{f': the highest bar is {scale}, of slice {most_affected}' if scale else ''}."


def duration(seconds: float) -> str:
    """Return how long something will take, rounded as people say it.

    >>> duration(4.2), duration(61.0)
    ('about 5 seconds', 'about 2 minutes')
    """
    if seconds < 55.0:
        return f"about {max(5, 5 * round(seconds / 5.0))} seconds"
    minutes = math.ceil(seconds / 60.0)
    return f"about {minutes} {'minute' if minutes == 1 else 'minutes'}"


def progress(status: Status, place: int) -> str:
    """Return how far a job is that waits or is read.

    place : in the queue, from 1.

    >>> progress(Status("queued"), 1), progress(Status("queued"), 3), progress(Status("working"), 0)
    ('Next in the queue.', 'Number 3 in the queue.', 'Opening the files.')
    """
    if status.state == QUEUED:
        return f"Number {place} in the queue." if place > 1 else "Next in the queue."
    if status.of is None:
        return "Opening the files."
    if status.done >= status.of:
        return f"All {status.of} slices are done; the files are being written."
    left = "" if status.seconds_left is None else f", {duration(status.seconds_left)} left"
    return f"{status.done} of {status.of} slices are done{left}."


def deletion(minutes: float) -> str:
    """Return when uploads and results are deleted.

    >>> deletion(30.0)
    'Uploads are deleted as soon as they are read, results 30 minutes after that.'
    """
    return f"Uploads are deleted as soon as they are read, results {minutes:g} minutes after that."


def made(day: str, result_id: str) -> str:
    """Return by what a printed page is told from others, as in the report.

    day : in UTC, as YYYY-MM-DD.

    >>> made("2026-11-22", "f7cef4" + 26 * "0")
    'Result f7cef4, read on 2026-11-22'
    """
    return made_on(date.fromisoformat(day), result_id[:6])


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
