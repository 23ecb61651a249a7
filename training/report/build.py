"""What training.evaluate found -> report: summed up, drawn and written down.

OUT/report.html   for people: figures, tables, sentences; one file that needs nothing else
OUT/report.json   all figures, at four decimals; null where one is undefined
OUT/report.md     the tables
OUT/slices.csv    a row for each slice
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from training.data.tables import write_table
from training.measures.bootstrap import DRAWS, Interval, bootstrap
from training.measures.calibration import (
    NEAR_PX,
    RELIABILITY_BINS,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    largest_gap,
    negative_log_likelihood,
)
from training.measures.curves import LOWER_EDGES, dice_by_threshold
from training.measures.finding import CANDIDATES, FINDING_SCORE, operating_point, roc_of_scores
from training.measures.groups import GROUPINGS, NOT_MEASURABLE, by_patient
from training.measures.results import SliceResult, pool, score_auc, summarise
from training.measures.robustness import PERTURBATIONS, Robustness
from training.measures.sanity import Sanity
from training.measures.uncertainty import partial_rank_correlation, rank_correlation
from training.report.figures import draw_figures
from training.report.markdown import report_markdown
from training.report.page import report_page
from training.report.panels import Panel

SEED = 0
DECIMALS = 4

Stage = Sequence[Mapping[str, Any]]
"""The epochs of one stage of training: columns of its log.csv by name, as numbers or as text."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured; what is None or empty was not."""

    about: dict[str, Any]  # JSON values: model, data, threshold
    results: Sequence[SliceResult]
    robustness: Robustness | None = None
    sanity: Sanity | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    panels: Sequence[Panel] = ()
    maps: Sequence[Panel] = ()  # what calls rest on


def build_report(evaluation: Evaluation, *, rng: np.random.Generator) -> dict[str, Any]:
    """Return the content of report.json, rounded; `rng` resamples the patients."""
    results = evaluation.results
    patients = by_patient(results)
    report = evaluation.about | {
        "slices": len(results),
        "patients": len(patients),
        "overall": {"all": summarise(results).as_dict()},
        "intervals": _intervals(bootstrap(patients, lambda drawn: summarise(drawn).as_dict(), rng=rng)),
        "interval_draws": DRAWS,
        "finding": _finding(results),
        "calibration": _calibration(results),
        "dice_by_threshold": _dice_by_threshold(results),
        "uncertainty": _uncertainty(results),
        "not_measurable": NOT_MEASURABLE,
    }
    for name, grouping in GROUPINGS.items():
        report[name] = {group: _group(found) for group, found in grouping.split(results).items()}
    if evaluation.robustness:
        report["robustness"] = _robustness(evaluation.robustness)
    if evaluation.sanity:
        report["explanation"] = asdict(evaluation.sanity)
    rounded: dict[str, Any] = _rounded(report)
    return rounded


def write_report(evaluation: Evaluation, out: Path) -> dict[str, Any]:
    """Write the four files and return the content of report.json."""
    out.mkdir(parents=True, exist_ok=True)
    report = build_report(evaluation, rng=np.random.default_rng(SEED))
    drawings = draw_figures(
        evaluation.results,
        threshold=evaluation.about["threshold"],
        robustness=evaluation.robustness,
        stages=evaluation.stages,
    )
    files = {
        "report.json": json.dumps(report, indent=2, allow_nan=False) + "\n",
        "report.md": report_markdown(report),
        "report.html": report_page(report, drawings, panels=evaluation.panels, maps=evaluation.maps),
    }
    for name, content in files.items():
        (out / name).write_text(content, encoding="utf-8")
    _write_slices(evaluation.results, out / "slices.csv")
    return report


def _group(results: Sequence[SliceResult]) -> dict[str, float]:
    """Return the figures of a group, and of how many patients it is and how many slices the first of them has."""
    slices = [len(found) for found in by_patient(results).values()]
    return summarise(results).as_dict() | {"patients": len(slices), "most_slices_of_a_patient": max(slices)}


def _intervals(intervals: Mapping[str, Interval]) -> dict[str, list[float]]:
    # The interval of a number of slices would only say how the patients were drawn.
    return {
        name: [interval.low, interval.high]
        for name, interval in intervals.items()
        if not name.endswith("_slices") and name != "true_lesions"
    }


def _finding(results: Sequence[SliceResult]) -> dict[str, Any]:
    present = np.array([result.lesion_px > 0 for result in results], np.bool_)
    found: dict[str, Any] = {
        "score": FINDING_SCORE,
        "slices_with_lesion": int(present.sum()),
        "slices_without_lesion": int((~present).sum()),
        "auc": {name: score_auc(results, name) for name in CANDIDATES},
    }
    if present.any() and not present.all():
        scores = np.array([result.scores[FINDING_SCORE] for result in results], np.float64)
        found["operating_point"] = asdict(operating_point(roc_of_scores(scores, present)))
    return found


def _calibration(results: Sequence[SliceResult]) -> dict[str, Any]:
    near = pool(result.near for result in results)
    temperature = fit_temperature(near)
    gap = largest_gap(near)
    found: dict[str, Any] = {
        "near_px": NEAR_PX,
        "bins": RELIABILITY_BINS,
        "pixels": near.positives + near.negatives,
        "temperature": temperature,
        "largest_gap": None if gap is None else asdict(gap) | {"size": gap.size},
    }
    for suffix, value in (("", 1.0), ("_at_temperature", temperature)):
        defined = not math.isnan(value)
        for name, figure in (
            ("expected_calibration_error", expected_calibration_error),
            ("brier_score", brier_score),
            ("negative_log_likelihood", negative_log_likelihood),
        ):
            found[name + suffix] = figure(near, temperature=value) if defined else math.nan
    return found


def _dice_by_threshold(results: Sequence[SliceResult]) -> dict[str, float]:
    curve = dice_by_threshold(pool(result.histogram for result in results))
    ascending = curve.y[::-1]
    thresholds = [number / 20.0 for number in range(1, 20)]
    # The nearest edge of a bin is at most 0.003 away.
    return {f"{value:.2f}": float(ascending[np.argmin(np.abs(LOWER_EDGES - value))]) for value in thresholds}


def _uncertainty(results: Sequence[SliceResult]) -> dict[str, float]:
    measured = [r for r in results if not math.isnan(r.disagreement + r.lesion.dice)]
    disagreement, dice = [r.disagreement for r in measured], [r.lesion.dice for r in measured]
    ill = [r for r in measured if r.lesion_px > 0]
    columns = [(r.disagreement, r.lesion.dice, float(r.called_px)) for r in ill]
    ill_disagreement, ill_dice, ill_area = ([row[number] for row in columns] for number in range(3))
    missed = [r for r in ill if r.called_px == 0]
    return {
        "slices": len(measured),
        "mean_disagreement": sum(disagreement) / len(measured) if measured else math.nan,
        "spearman_with_dice": rank_correlation(disagreement, dice),
        "slices_with_lesion": len(ill),
        "spearman_with_dice_where_lesion": rank_correlation(ill_disagreement, ill_dice),
        # What a reader could see without any second reading: small calls have a low Dice.
        "spearman_of_called_area_where_lesion": rank_correlation(ill_area, ill_dice),
        "spearman_at_equal_called_area_where_lesion": partial_rank_correlation(ill_disagreement, ill_dice, ill_area),
        "missed_slices": len(missed),
        "missed_slices_without_disagreement": sum(r.disagreement == 0.0 for r in missed),
    }


def _robustness(found: Robustness) -> dict[str, Any]:
    return {
        "lesion_slices": found.lesion_slices,
        "left_out_slices": found.left_out_slices,
        "units": {name: PERTURBATIONS[name].unit for name in found.steps},
        "dice": {name: {f"{step.strength:g}": step.dice for step in steps} for name, steps in found.steps.items()},
        "clean": {name: {f"{step.strength:g}": step.clean for step in steps} for name, steps in found.steps.items()},
    }


def _rounded(value: Any) -> Any:
    """Return JSON values with floats at DECIMALS, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, DECIMALS) if math.isfinite(value) else None
    return value


def _write_slices(results: Sequence[SliceResult], file: Path) -> None:
    lines = [_slice_values(result) for result in results]
    write_table(file, list(lines[0]), lines)


def _slice_values(result: SliceResult) -> dict[str, object]:
    """Return a row of slices.csv; csv writes None as an empty cell."""
    histogram = summarise([result])
    return {
        "source": result.row.source,
        "patient": result.row.patient,
        "slice": result.row.slice_index,
        "image": result.row.image.name,
        "lesion_px": result.lesion_px,
        "called_px": result.called_px,
        **asdict(result.lesion),
        "lesion_dice": result.lesion.dice,
        "lesion_iou": result.lesion.iou,
        "lesion_precision": result.lesion.precision,
        "lesion_recall": result.lesion.recall,
        "lesion_specificity": result.lesion.specificity,
        "lesion_accuracy": result.lesion.accuracy,
        "roc_auc": histogram.roc_auc,
        "average_precision": histogram.average_precision,
        **asdict(result.surface),
        **{f"{name}_lesions": number for name, number in asdict(result.lesions).items()},
        **result.scores,
        **asdict(result.appearance),
        "disagreement": result.disagreement,
        "lung_dice": None if result.lung is None else result.lung.dice,
        "called_share_of_lung": result.called_share,
    }
