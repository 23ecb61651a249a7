"""What is told of a volume once it was read: slices that are damaged, lungs that the scan cuts off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.volume.rows import SliceRow

CUT_OFF_FROM = 0.05
"""Lung in the first or last slice from which lungs are cut off, as a share of the largest lung area of a slice."""

_MOST_NUMBERS = 10


def damaged(sentences: Mapping[int, str]) -> list[str]:
    """Say which slices were not read.

    sentences : of each slice, counted from 1, what is wrong with it.
    """
    if not sentences:
        return []
    numbers = ", ".join(map(str, list(sentences)[:_MOST_NUMBERS])) + (", …" if len(sentences) > _MOST_NUMBERS else "")
    what = f"Slice {numbers} was" if len(sentences) == 1 else f"{len(sentences)} slices ({numbers}) were"
    first = next(iter(sentences.values()))
    return [f"{what} not read: shown black, and measured like the slices beside. {first}"]


def cut_off(rows: Sequence[SliceRow]) -> list[str]:
    """Say where the scan ends within the lungs: what lies beyond is in no figure.

    rows : the slices from the feet to the head.
    """
    areas = [row.findings.lung_area_px or 0 for row in rows]
    least = CUT_OFF_FROM * max(areas)
    ends = [name for name, area in (("first", areas[0]), ("last", areas[-1])) if area > least]
    if len(rows) == 1 or not ends:
        return []
    return [
        f"The {' and the '.join(ends)} slice {'shows' if len(ends) == 1 else 'show'} lung: the scan does not hold the "
        "whole lungs. Volumes and shares are of what it holds."
    ]
