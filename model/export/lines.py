"""The figures of a volume as people read them, alike on the page and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from model.decode.ct import CtVolume
from model.findings import GROUND_GLASS_BELOW_HU
from model.volume.findings import LEAST_LESION_ML, VolumeFindings
from model.volume.rows import Side

MINUS = "\N{MINUS SIGN}"


def percent(value: float | None) -> str:
    """Return a share of 0 ... 100 with one decimal; what rounds to nothing but is not is said to be less.

    >>> percent(12.36), percent(0.0), percent(0.01)
    ('12.4 %', '0.0 %', 'less than 0.1 %')
    """
    if value is None:
        return "unknown"
    return "less than 0.1 %" if 0.0 < value < 0.05 else f"{value:.1f} %"


def millilitres(value: float) -> str:
    """Return a volume: whole from 100 ml, with one decimal below.

    >>> millilitres(1234.4), millilitres(9.96), millilitres(0.0), millilitres(0.02)
    ('1,234 ml', '10.0 ml', '0 ml', 'less than 0.1 ml')
    """
    if 0.0 < value < 0.05:
        return "less than 0.1 ml"
    return f"{value:,.0f} ml" if value >= 99.95 or value == 0.0 else f"{value:.1f} ml"


def number(value: float, decimals: int) -> str:
    """Return a number to be read, rounded, with a minus sign rather than a hyphen where it is below 0.

    >>> number(-504.4, 0), number(16.04, 1), number(-0.3, 0)
    ('−504', '16.0', '0')
    """
    rounded = round(value, decimals) or 0.0
    return f"{rounded:.{decimals}f}".replace("-", MINUS)


def summary(findings: VolumeFindings) -> str:
    """Return the finding of a volume as one sentence."""
    if not findings.lesion_voxels:
        return "No lesion found at this threshold."
    share, volume = findings.lesion_percent_of_lung, findings.lesion_ml
    if share is None:
        return f"Lesions show in {findings.slices_with_lesion} of {findings.slice_count} slices."
    what = "the lung in this slice" if findings.slice_count == 1 else "the lungs in this scan"
    return f"Lesions take {percent(share)} of {what}{'' if volume is None else f', {millilitres(volume)}'}."


_SHARE, _SHARE_OF_SLICE = "Share of the lungs in this scan", "Share of the lung in this slice"

FOLLOWING = (_SHARE, _SHARE_OF_SLICE, "Severity", "Lesion volume", "Lung volume", "Slices with lesion")
"""The figures that follow from the areas of the slices: they can be told at any threshold."""


def lines(findings: VolumeFindings) -> list[tuple[str, str]]:
    """Return name and value of each figure of a volume, in the order in which they matter."""
    return [
        (_SHARE_OF_SLICE if findings.slice_count == 1 else _SHARE, percent(findings.lesion_percent_of_lung)),
        ("Severity", _severity(findings)),
        ("Lesion volume", _volume(findings.lesion_ml, findings)),
        ("Lung volume", _volume(findings.lung_ml, findings)),
        ("Right lung", _side(findings.right)),
        ("Left lung", _side(findings.left)),
        ("Lesions", _lesions(findings)),
        ("Slices with lesion", f"{findings.slices_with_lesion} of {findings.slice_count}"),
        ("Ground glass, consolidation", _densities(findings.ground_glass_percent)),
        ("Mean density of lesions", _hu(findings.lesion_mean_hu)),
    ]


def sides(known: bool) -> str:
    """Return what R and L at the edges of a picture mean, or that there are none."""
    return "R and L: the patient's right and left" if known else "sides unknown"


def size(shape: Sequence[int]) -> str:
    """Return the size of a volume, (slices, H, W).

    >>> size((41, 512, 400)), size((1, 512, 512))
    ('41 slices × 512 rows × 400 columns', '1 slice × 512 rows × 512 columns')
    """
    slices, rows, columns = shape
    return f"{slices} {'slice' if slices == 1 else 'slices'} × {rows} rows × {columns} columns"


def spacing(volume: CtVolume) -> str:
    """Return how large its voxels are in millimetres, in the order of `size`, as far as that is known."""
    pixel, extents = volume.spacing_mm, volume.extents_mm
    if pixel is None:
        return "voxel spacing unknown"
    if extents is None:
        return f"pixels of {pixel[0]:.3g} × {pixel[1]:.3g} mm"
    least, most = f"{min(extents):.3g}", f"{max(extents):.3g}"
    return f"voxels of {least if least == most else f'{least} to {most}'} × {pixel[0]:.3g} × {pixel[1]:.3g} mm"


def _volume(value: float | None, findings: VolumeFindings) -> str:
    if value is not None:
        return millilitres(value)
    if findings.slice_count == 1:
        return "none: one slice has an area, not a volume"
    if findings.lung_voxels is None and findings.lesion_ml is not None:
        return "unknown: this network tells no lung"
    return "unknown: the scan states no spacing"


def _severity(findings: VolumeFindings) -> str:
    if findings.severity_grade is None:
        return "none from one slice" if findings.slice_count == 1 else "unknown"
    share = f"lesion in {findings.severity_span} of both lungs" if findings.severity_grade else "no lesion"
    return f"class {findings.severity_grade} on a scale of 0 to 5: {share}"


def _side(side: Side | None) -> str:
    if side is None:
        return "not told apart"
    volumes = ""
    if side.lung_ml is not None and side.lesion_ml is not None:
        volumes = f", {millilitres(side.lesion_ml)} of {millilitres(side.lung_ml)}"
    return percent(side.lesion_percent_of_lung) + volumes


def _lesions(findings: VolumeFindings) -> str:
    if not findings.lesion_voxels:
        return "none at this threshold"
    if not findings.lesion_count:
        return f"none of {LEAST_LESION_ML} ml (a sphere of 3 mm) or more"
    largest = findings.largest_lesion_ml
    counted = "1 lesion" if findings.lesion_count == 1 else f"{findings.lesion_count} lesions"
    told = "" if largest is None else f" of {LEAST_LESION_ML} ml or more, the largest {millilitres(largest)}"
    return f"{counted}{told}"


def _densities(ground_glass: float | None) -> str:
    if ground_glass is None:
        return "unknown"
    border = number(GROUND_GLASS_BELOW_HU, 0)
    return f"{ground_glass:.0f} % below {border} HU, {100.0 - ground_glass:.0f} % above"


def _hu(value: float | None) -> str:
    return "unknown" if value is None else f"{number(value, 0)} HU"
