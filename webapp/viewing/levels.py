"""The details of a volume at another threshold than that at which it was read, as far as they follow it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.export.lines import FOLLOWING, lines, summary
from model.export.names import NOTICE
from model.volume.areas import Areas
from model.volume.findings import VolumeFindings, at_threshold
from model.volume.rows import percent
from webapp import words
from webapp.viewing.view import ViewState

_UNKNOWN_ELSEWHERE = ("lesion_mean_hu", "ground_glass_percent")
"""Figures of a slice that need its Hounsfield units, which are not kept."""


def at_level(details: dict[str, Any], folder: Path, state: ViewState) -> dict[str, Any]:
    """Return the details of a volume at the threshold of a view.

    Figures that do not follow stay as they are. Of slices they are left out, but those of either lung.

    Parameters
    ----------
    details : as `webapp.jobs.work` keeps them. folder : of the result, which holds the areas.
    """
    if not state.is_moved:
        return details
    areas = Areas.load(folder)
    rows = details["slices"]
    findings = at_threshold(_findings(details), areas, [row["is_read"] for row in rows], state.threshold)
    told = dict(lines(findings))
    lesions, lungs = areas.at(state.threshold)
    return details | {
        "volume": details["volume"] | {name: getattr(findings, name) for name in _CHANGED},
        "slices": [
            _row(row, lesions[number], None if lungs is None else lungs[number], details["spacing_mm"])
            for number, row in enumerate(rows)
        ],
        "lines": [(label, told[label] if label in FOLLOWING else value) for label, value in details["lines"]],
        "summary": summary(findings),
    }


_CHANGED = (
    "slices_with_lesion",
    "most_affected_slice",
    "lesion_voxels",
    "lung_voxels",
    "lesion_ml",
    "lung_ml",
    "lesion_percent_of_lung",
    "severity_grade",
    "severity_span",
    "threshold",
)


def _findings(details: Mapping[str, Any]) -> VolumeFindings:
    # Either lung does not follow, and is shown by the lines that are there.
    return VolumeFindings(**(details["volume"] | {"right": None, "left": None}))


def _row(row: dict[str, Any], lesion: int, lung: int | None, spacing_mm: tuple[float, float] | None) -> dict[str, Any]:
    """Return a slice's row with its areas at another threshold."""
    if not row["is_read"]:
        return row
    pixel_mm2 = None if spacing_mm is None else spacing_mm[0] * spacing_mm[1]
    return row | {
        "lesion_area_px": lesion,
        "lung_area_px": lung,
        "lesion_percent_of_lung": percent(lesion, lung),
        "lesion_area_mm2": None if pixel_mm2 is None else lesion * pixel_mm2,
        "lung_area_mm2": None if pixel_mm2 is None or lung is None else lung * pixel_mm2,
        **dict.fromkeys(_UNKNOWN_ELSEWHERE),
    }


_ALWAYS = ("model", "quality", "flip_dice", "recognition", "notes")
"""What no figures go without: by what they were found, and what is to be known of it."""


def figures(details: dict[str, Any], state: ViewState) -> dict[str, Any]:
    """Return what the page of a volume says at a threshold, for its script and to keep.

    details : as `at_level` gives them.
    """
    rows = details["slices"]
    return {
        "threshold": state.threshold,
        "read_at": state.read_at,
        "sentence": details["summary"],
        "lines": [[label, value] for label, value in details["lines"]],
        "slices": [words.slice_summary(row) for row in rows],
        "chart": words.chart(rows),
        "chart_says": words.chart_caption(rows, details["volume"]["most_affected_slice"]),
        **{name: details[name] for name in _ALWAYS},
        "notice": NOTICE,
    }
