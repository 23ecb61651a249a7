"""Slices apart by what they have in common: source, patient, lesion size, level, noise, brightness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.measures.results import SliceResult

SIZES = (("none", 0.0), ("below 0.1 %", 0.001), ("0.1 to 1 %", 0.01), ("1 to 5 %", 0.05), ("5 % and more", 1.0))
"""Groups by lesion size: the name, and up to which share of the picture's pixels is lesion in the truth."""

THIRDS = ("first third", "middle third", "last third")
NO_LEVEL = "not measurable"

NOT_MEASURABLE = {
    "age": "no column of a manifest",
    "sex": "no column of a manifest",
    "country and hospital": "no columns of a manifest; a source is a collection, not a place",
    "scanner make and protocol": "no columns of a manifest; noise and brightness of the picture stand in for them",
    "severity and other diseases": "no columns of a manifest",
}
"""What nothing can be said about, and why: it holds for any data set, since no manifest tells it."""

Groups = dict[str, list[SliceResult]]


@dataclass(frozen=True)
class Grouping:
    """A way to tell slices apart: `split` gives the groups in the order to show them."""

    title: str
    meaning: str
    split: Callable[[Sequence[SliceResult]], Groups]


def by_name(results: Sequence[SliceResult], name_of: Callable[[SliceResult], str]) -> Groups:
    """Return the slices of each name, in the order of the names."""
    groups: defaultdict[str, list[SliceResult]] = defaultdict(list)
    for result in results:
        groups[name_of(result)].append(result)
    return {name: groups[name] for name in sorted(groups)}


def by_source(results: Sequence[SliceResult]) -> Groups:
    """Return the slices of each source."""
    return by_name(results, lambda result: result.row.source)


def by_patient(results: Sequence[SliceResult]) -> Groups:
    """Return the slices of each patient; where two sources use one name, theirs goes before it."""
    sources: defaultdict[str, set[str]] = defaultdict(set)
    for result in results:
        sources[result.row.patient].add(result.row.source)

    def name_of(result: SliceResult) -> str:
        row = result.row
        return row.patient if len(sources[row.patient]) == 1 else f"{row.source}: {row.patient}"

    return by_name(results, name_of)


def by_size(results: Sequence[SliceResult]) -> Groups:
    """Return the slices of each of SIZES that occurs."""
    found = by_name(results, lambda result: size_of(result.lesion_px, result.lesion.total_px))
    return {name: found[name] for name, _ in SIZES if name in found}


def size_of(lesion_px: int, picture_px: int) -> str:
    """Return the name in SIZES of a lesion area.

    >>> size_of(100, 512 * 512)
    'below 0.1 %'
    """
    share = lesion_px / picture_px
    return next(name for name, limit in SIZES if share < limit or share == limit == 0.0 or limit == 1.0)


def by_level(results: Sequence[SliceResult]) -> Groups:
    """Return the slices of each third of its scan, between its lowest and highest slice number.

    Which end is the head the manifest does not say. Of a scan with a single slice, or slices of one number alone,
    nobody knows the level: these come last, as NO_LEVEL.
    """
    numbers: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for result in results:
        numbers[result.row.scan].append(result.row.slice_index)

    ends = {scan: (min(found), max(found)) for scan, found in numbers.items()}
    found = by_name(results, lambda result: _third(result.row.slice_index, *ends[result.row.scan]))
    return {name: found[name] for name in (*THIRDS, NO_LEVEL) if name in found}


def _third(number: int, first: int, last: int) -> str:
    return THIRDS[3 * (number - first) // (last - first + 1)] if first < last else NO_LEVEL


def by_quarter(results: Sequence[SliceResult], value_of: Callable[[SliceResult], float]) -> Groups:
    """Return the slices of each quarter of a value, from the lowest to the highest; the names say the bounds."""
    values = np.array([value_of(result) for result in results], np.float64)
    bounds = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0])
    quarters = np.searchsorted(bounds[1:4], values, side="left")
    names = [f"{low:.1f} to {high:.1f}" for low, high in zip(bounds[:-1], bounds[1:], strict=True)]
    chosen = {
        f"{number + 1}. {names[number]}": [r for r, quarter in zip(results, quarters, strict=True) if quarter == number]
        for number in range(4)
    }
    return {name: group for name, group in chosen.items() if group}


GROUPINGS: dict[str, Grouping] = {
    "by_source": Grouping("Source", "the collection that the scan is from", by_source),
    "by_patient": Grouping("Patient", "every patient apart", by_patient),
    "by_size": Grouping("Lesion size", "share of the picture's pixels that is lesion in the truth", by_size),
    "by_level": Grouping(
        "Level",
        "third of the scan; which end is the head is not recorded, and a single slice tells no level",
        by_level,
    ),
    "by_noise": Grouping(
        "Noise",
        "quarters of the noise of the picture, in gray values (Immerkaer 1996)",
        lambda results: by_quarter(results, lambda result: result.appearance.noise),
    ),
    "by_brightness": Grouping(
        "Brightness",
        "quarters of the mean gray value of the picture",
        lambda results: by_quarter(results, lambda result: result.appearance.brightness),
    ),
}
"""All groupings of the report."""
