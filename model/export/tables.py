"""Measurements of a volume -> CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from model.export.names import NOTICE
from model.volume.segment import VolumeSegmentation
from model.warning import label


def measurements(segmentation: VolumeSegmentation) -> dict[str, Any]:
    """Return all that was measured, for JSON: the volume, its slices from the feet to the head, model and notes."""
    measured = segmentation.measured
    return {
        "volume": measured.findings.as_dict(),
        "slices": [row.as_dict() for row in measured.rows],
        "model": segmentation.model.as_dict(),
        "quality": segmentation.quality,
        "flip_dice": segmentation.flips and segmentation.flips.dice,
        "recognition": segmentation.recognition and segmentation.recognition.as_dict(),
        "notes": list(segmentation.notes),
        "notice": NOTICE,
    }


def as_json(segmentation: VolumeSegmentation) -> str:
    """Return the measurements as JSON."""
    return json.dumps(measurements(segmentation), indent=1)


def as_csv(segmentation: VolumeSegmentation) -> str:
    """Return a table with a row for each slice, from the feet to the head."""
    warning = {"warning": label(segmentation.recognition)}
    rows = [row.as_dict() | warning for row in segmentation.measured.rows]
    stream = io.StringIO()
    table = csv.DictWriter(stream, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return stream.getvalue()
