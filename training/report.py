"""Results of slices -> figures -> report: what training.evaluate found, summed up and written down.

OUT/report.json   all figures, overall, by source and by patient; null where one is undefined
OUT/report.md     the same as a table
OUT/slices.csv    a row for each slice
"""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.dataset import Row
from training.metrics import NO_PIXELS, Overlap

CLEAN_SHARE = 0.01
"""A slice without lesion is clean where at most this share of its lung is called lesion."""


@dataclass(frozen=True)
class SliceResult:
    """How one slice was read, in pixels of the slice. `lung` is None without a lung mask or a lung channel."""

    row: Row
    lesion: Overlap
    lung: Overlap | None
    called_share: float | None  # of the predicted lung; None where the network has no lung channel

    @property
    def lesion_px(self) -> int:
        """Pixels of lesion in the truth."""
        return self.lesion.true_positive_px + self.lesion.false_negative_px

    @property
    def called_px(self) -> int:
        """Pixels called lesion."""
        return self.lesion.true_positive_px + self.lesion.false_positive_px


@dataclass(frozen=True)
class Summary:
    """The figures of several slices. Those of the first block are pooled: pixel counts are added up, then divided.

    Where a figure is undefined (see training.metrics) it is NaN; without a lung channel `clean_share` is NaN.
    """

    lesion_dice: float
    lesion_iou: float
    lesion_precision: float
    lesion_recall: float
    lung_dice: float
    lung_slices: int  # with a lung mask: what lung_dice rests on
    mean_slice_dice: float  # over the slices with lesion in the truth
    lesion_slices: int  # what mean_slice_dice rests on
    left_out_slices: int  # without lesion in the truth: left out of mean_slice_dice, counted in clean_share
    clean_share: float  # of the slices without lesion in the truth, those with at most CLEAN_SHARE of the lung called


def summarise(results: Sequence[SliceResult]) -> Summary:
    """Sum up slices; an empty sequence gives NaN and zeros."""
    pooled = sum((result.lesion for result in results), NO_PIXELS)
    lungs = [result.lung for result in results if result.lung is not None]
    ill = [result for result in results if result.lesion_px > 0]
    shares = [result.called_share for result in results if result.lesion_px == 0 and result.called_share is not None]
    return Summary(
        lesion_dice=pooled.dice,
        lesion_iou=pooled.iou,
        lesion_precision=pooled.precision,
        lesion_recall=pooled.recall,
        lung_dice=sum(lungs, NO_PIXELS).dice,
        lung_slices=len(lungs),
        mean_slice_dice=_mean([result.lesion.dice for result in ill]),
        lesion_slices=len(ill),
        left_out_slices=len(results) - len(ill),
        clean_share=_mean([float(share <= CLEAN_SHARE) for share in shares]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def summarise_by(results: Sequence[SliceResult], key: Callable[[Row], str]) -> dict[str, Summary]:
    """Sum up the slices of each group apart, in the order of the groups' names."""
    groups: defaultdict[str, list[SliceResult]] = defaultdict(list)
    for result in results:
        groups[key(result.row)].append(result)
    return {name: summarise(groups[name]) for name in sorted(groups)}


def write_report(results: Sequence[SliceResult], out: Path, about: dict[str, Any]) -> None:
    """Write report.json, report.md and slices.csv; `about` says which model was run on what, by JSON values."""
    out.mkdir(parents=True, exist_ok=True)
    groups = {
        "overall": {"all": summarise(results)},
        "by_source": summarise_by(results, lambda row: row.source),
        "by_patient": summarise_by(results, lambda row: row.patient),
    }
    report = about | {
        kind: {name: _json_values(summary) for name, summary in group.items()} for kind, group in groups.items()
    }
    (out / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (out / "report.md").write_text(_markdown(groups, about), encoding="utf-8")
    _write_slices(results, out / "slices.csv")


def _json_values(summary: Summary) -> dict[str, float | None]:
    # JSON has no NaN.
    return {name: None if math.isnan(value) else value for name, value in asdict(summary).items()}


def _markdown(groups: dict[str, dict[str, Summary]], about: dict[str, Any]) -> str:
    facts = [f"- {name}: {value}" for name, value in about.items()]
    header = (
        "| | Lesion Dice | IoU | precision | recall | Lung Dice (slices) | Mean slice Dice (slices, left out) | Clean |"
    )
    rows = [_markdown_row(name, summary) for group in groups.values() for name, summary in group.items()]
    notes = (
        "Lesion and lung figures are pooled: pixels of all slices are added up first. The mean slice Dice is over\n"
        "slices with lesion in the truth; the others are left out. Clean: of the slices without lesion in the truth,\n"
        f"those with at most {CLEAN_SHARE:.0%} of the predicted lung called lesion. –: undefined, the rule is in\n"
        "training/metrics.py."
    )
    return "\n".join(["# Evaluation", "", *facts, "", header, "|---" * 8 + "|", *rows, "", notes, ""])


def _markdown_row(name: str, summary: Summary) -> str:
    cells = [
        name,
        three_digits(summary.lesion_dice),
        three_digits(summary.lesion_iou),
        three_digits(summary.lesion_precision),
        three_digits(summary.lesion_recall),
        f"{three_digits(summary.lung_dice)} ({summary.lung_slices})",
        f"{three_digits(summary.mean_slice_dice)} ({summary.lesion_slices}, {summary.left_out_slices})",
        three_digits(summary.clean_share),
    ]
    return f"| {' | '.join(cells)} |"


def three_digits(value: float) -> str:
    """Return a figure for people; a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def _write_slices(results: Sequence[SliceResult], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, list(_slice_values(results[0])))
        table.writeheader()
        table.writerows(_slice_values(result) for result in results)


def _slice_values(result: SliceResult) -> dict[str, object]:
    """Return a row of slices.csv; csv writes None as an empty cell."""
    return {
        "source": result.row.source,
        "patient": result.row.patient,
        "slice": result.row.slice_index,
        "image": result.row.image.name,
        "lesion_px": result.lesion_px,
        "called_px": result.called_px,
        **asdict(result.lesion),
        "lesion_dice": result.lesion.dice,
        "lung_dice": None if result.lung is None else result.lung.dice,
        "called_share_of_lung": result.called_share,
    }
