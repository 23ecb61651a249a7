"""The slices of a volume, read and kept as files -> what they amount to: millilitres, shares, sides, lesions."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from model.cores import usable_cores
from model.decode.ct import CtVolume
from model.findings import Findings, measure
from model.volume.areas import Areas
from model.volume.extents import shared_out, voxel_ml
from model.volume.files import SliceFiles
from model.volume.regions import Regions
from model.volume.rows import Side, SliceRow, one_lung, percent
from model.volume.severity import SCALE, severity
from model.volume.sides import Counts, find_midline, right_lung

LEAST_LESION_ML = 0.014
"""A sphere of 3 mm: what is smaller is called a micronodule (Fleischner Society, Radiology 2008), and is part of the
volume but not counted as a lesion."""


@dataclass(frozen=True)
class VolumeFindings:
    """What a volume shows at one threshold.

    The lung is what the network marks as lung or as lesion. None are: millilitres where the spacing is unknown,
    densities where there are no Hounsfield units, lung figures where the network tells no lung, either lung where they
    cannot be told apart. Shares of the lung count each slice by its distance to its neighbours, alike where that is
    unknown.
    """

    threshold: float
    slice_count: int
    slices_read: int  # the others are damaged; the slices beside them stand for them
    slices_with_lesion: int
    most_affected_slice: int | None  # from 1 at the feet
    lesion_voxels: int
    lung_voxels: int | None
    lesion_ml: float | None
    lung_ml: float | None
    lesion_percent_of_lung: float | None
    right: Side | None
    left: Side | None
    lesion_count: int  # of LEAST_LESION_ML at least, where millilitres are known
    largest_lesion_ml: float | None
    lesion_mean_hu: float | None
    ground_glass_percent: float | None
    highest_probability: float
    hounsfield: bool  # whether the volume came in Hounsfield units
    severity_grade: int | None  # None of a single slice
    severity_span: str | None
    severity_scale: str = SCALE

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name, for JSON; either lung is an object of its own."""
        return asdict(self)

    def as_row(self) -> dict[str, Any]:
        """Return the figures by name, those of the lungs as right_... and left_..., for a row of a table."""
        figures = self.as_dict()
        for side in ("right", "left"):
            lung = figures.pop(side) or {}
            figures |= {f"{side}_{name}": lung.get(name) for name in Side.__dataclass_fields__}
        return figures


@dataclass(frozen=True)
class Measured:
    """A volume's findings, and those of its slices from the feet to the head."""

    findings: VolumeFindings
    rows: tuple[SliceRow, ...]


def measure_volume(
    files: SliceFiles, slices: Sequence[Findings | None], volume: CtVolume, *, threshold: float
) -> Measured:
    """Measure a volume.

    Parameters
    ----------
    files : its slices as they were read.
    slices : the findings of each, at the same threshold; None where its file is damaged.
    volume : for its spacing and sides; no slice of it is read again.
    """
    read = [findings is not None for findings in slices]
    known_ml = voxel_ml(volume)
    weights = shared_out(known_ml or (1.0,) * len(volume), read)
    extents = None if volume.extents_mm is None else shared_out(volume.extents_mm, read)
    with ThreadPoolExecutor(usable_cores()) as threads:
        midline = None
        if volume.sides_known:
            columns = threads.map(partial(_columns, files, threshold=threshold), np.flatnonzero(weights).tolist())
            midline = find_midline(sum(columns, np.zeros(volume.shape[2], np.int64)))
        told = threads.map(partial(_sides, files, midline=midline, threshold=threshold), range(len(slices)))
        # One slice after the other, while threads tell right from left.
        regions = _regions(files, weights, threshold)
        sides = list(told)
    rows = tuple(
        SliceRow(
            number + 1,
            findings or _nothing(volume, threshold),
            *(sides[number] if findings else (None, None)),
            place=volume.places[number],
            is_read=findings is not None,
            extent_mm=None if extents is None else extents[number],
            voxel_ml=None if known_ml is None else weights[number],
        )
        for number, findings in enumerate(slices)
    )
    return Measured(_sum_up(rows, weights, regions.sizes(), threshold, in_ml=known_ml is not None), rows)


def _nothing(volume: CtVolume, threshold: float) -> Findings:
    """Return the findings of a slice that was not read."""
    _, height, width = volume.shape
    empty = np.zeros((height, width), np.float32)
    return measure(empty, None, threshold=threshold, spacing_mm=volume.spacing_mm)


def _columns(files: SliceFiles, number: int, *, threshold: float) -> Counts:
    """Return (W,) int64: the pixels of lung in each column of a slice."""
    lung, lesion = files.lung(number), files.lesion(number, threshold)
    inside = np.zeros_like(lesion) if lung is None else lung | lesion
    return np.asarray(np.count_nonzero(inside, axis=0), np.int64)


def _regions(files: SliceFiles, weights: Sequence[float], threshold: float) -> Regions:
    """Return the lesions in three dimensions, joined across what weighs nothing."""
    regions = Regions()
    for number in np.flatnonzero(weights).tolist():
        regions.add(files.lesion(number, threshold), weight=weights[number])
    return regions


def _sides(files: SliceFiles, number: int, *, midline: int | None, threshold: float) -> tuple[Side | None, Side | None]:
    lung = None if midline is None else files.lung(number)
    if lung is None or midline is None:
        return None, None
    lesion = files.lesion(number, threshold)
    right = right_lung(lung | lesion, midline)
    left = (lung | lesion) & ~right
    return one_lung(right, lesion), one_lung(left, lesion)


def _sum_up(
    every: Sequence[SliceRow], weights: Sequence[float], sizes: Sequence[float], threshold: float, *, in_ml: bool
) -> VolumeFindings:
    """Add up the slices that were read.

    weights : what a pixel of each slice stands for, in millilitres where `in_ml` says so.
    """
    rows = [row for row in every if row.is_read]
    each = [weight for weight, row in zip(weights, every, strict=True) if row.is_read]
    findings = [row.findings for row in rows]
    amounts = _amounts(
        [item.lesion_area_px for item in findings],
        [item.lung_area_px for item in findings],
        weights=each,
        numbers=[row.number for row in rows],
        slice_count=len(every),
        in_ml=in_ml,
    )
    return VolumeFindings(
        threshold=threshold,
        slice_count=len(every),
        slices_read=len(rows),
        right=_one_side([row.right for row in rows], each, in_ml=in_ml),
        left=_one_side([row.left for row in rows], each, in_ml=in_ml),
        lesion_count=sum(size >= LEAST_LESION_ML for size in sizes) if in_ml else len(sizes),
        largest_lesion_ml=max(sizes, default=0.0) if in_ml else None,
        lesion_mean_hu=_mean_over_lesions(findings, each, "lesion_mean_hu"),
        ground_glass_percent=_mean_over_lesions(findings, each, "ground_glass_percent"),
        highest_probability=max(item.highest_probability for item in findings),
        hounsfield=all(item.hounsfield for item in findings),
        **amounts,
    )


def at_threshold(findings: VolumeFindings, areas: Areas, read: Sequence[bool], threshold: float) -> VolumeFindings:
    """Return the findings of a volume at another threshold, as far as they follow from areas.

    The others stay what they were: either lung, lesions in three dimensions, densities.

    Parameters
    ----------
    areas : of its slices. read : which of them were read.
    threshold : one of `model.steps.THRESHOLDS`.
    """
    lesion, lung = areas.at(threshold)
    numbers = [number for number, is_read in enumerate(read, start=1) if is_read]
    amounts = _amounts(
        [lesion[number - 1] for number in numbers],
        [None if lung is None else lung[number - 1] for number in numbers],
        weights=[float(areas.weights[number - 1]) for number in numbers],
        numbers=numbers,
        slice_count=findings.slice_count,
        in_ml=findings.lesion_ml is not None,
    )
    return replace(findings, threshold=threshold, **amounts)


def _amounts(
    lesions: Sequence[int],
    lungs: Sequence[int | None],
    *,
    weights: Sequence[float],
    numbers: Sequence[int],
    slice_count: int,
    in_ml: bool,
) -> dict[str, Any]:
    """Return what follows from the areas of the slices that were read, whose numbers are given."""
    lesion, lung = _weighted(lesions, weights), _weighted(lungs, weights)
    share = None if lesion is None else percent(lesion, lung)
    # By the share as it is printed, so that 4.97 % is not told as 5.0 % of a class below 5. One slice tells no class.
    graded = None if share is None or slice_count == 1 else severity(round(share, 1) or share)
    return {
        "slices_with_lesion": sum(area > 0 for area in lesions),
        "most_affected_slice": numbers[int(np.argmax(lesions))] if any(lesions) else None,
        "lesion_voxels": sum(lesions),
        "lung_voxels": _total(lungs),
        "lesion_ml": lesion if in_ml else None,
        "lung_ml": lung if in_ml else None,
        "lesion_percent_of_lung": share,
        "severity_grade": None if graded is None else graded.grade,
        "severity_span": None if graded is None else graded.span,
    }


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _weighted(counts: Sequence[int | None], weights: Sequence[float]) -> float | None:
    if any(count is None for count in counts):
        return None
    return float(sum(weight * (count or 0) for weight, count in zip(weights, counts, strict=True)))


def _mean_over_lesions(findings: Sequence[Findings], weights: Sequence[float], name: str) -> float | None:
    """Return the mean of a figure of the slices, each counted by its volume of lesion; None where there is none."""
    known = [
        (weight * item.lesion_area_px, value)
        for weight, item in zip(weights, findings, strict=True)
        if (value := getattr(item, name)) is not None
    ]
    total = sum(weight for weight, _ in known)
    return sum(weight * value for weight, value in known) / total if total else None


def _one_side(sides: Sequence[Side | None], each: Sequence[float], *, in_ml: bool) -> Side | None:
    """Add up one lung; None where it could not be told in every slice."""
    known = [side for side in sides if side is not None]
    if not known or len(known) < len(sides):
        return None
    lung = _weighted([side.lung_px for side in known], each)
    lesion = _weighted([side.lesion_px for side in known], each)
    return Side(
        lung_px=sum(side.lung_px for side in known),
        lesion_px=sum(side.lesion_px for side in known),
        lesion_percent_of_lung=percent(lesion or 0.0, lung),
        lung_ml=lung if in_ml else None,
        lesion_ml=lesion if in_ml else None,
    )
