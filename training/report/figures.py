"""Results of slices -> the figures of the report, as SVG, each with a caption."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.measures.calibration import NEAR_PX, fit_temperature, reliability
from training.measures.curves import average_precision, dice_by_threshold, precision_recall, roc, roc_auc, thin
from training.measures.finding import FINDING_SCORE, MEANINGS, operating_point, roc_of_scores
from training.measures.groups import by_size
from training.measures.metrics import NO_PIXELS
from training.measures.results import SliceResult, pool, score_auc
from training.measures.robustness import PERTURBATIONS, Robustness
from training.measures.uncertainty import rank_correlation
from training.report import plots


@dataclass(frozen=True)
class Drawing:
    """A figure of the report: an <svg> element, what it shows, and the section that it stands in."""

    name: str
    section: str
    caption: str
    svg: str


def draw_figures(
    results: Sequence[SliceResult],
    *,
    threshold: float,
    robustness: Robustness | None,
    stages: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[Drawing]:
    """Draw all figures that the results give; one whose figures are undefined is left out."""
    drawn = [*_of_pixels(results, threshold), *_of_slices(results), *_of_trust(results, robustness)]
    if stages:
        drawn.append(
            ("learning", "training", "Loss and lesion Dice of each epoch; dotted: stages.", plots.draw_learning(stages))
        )
    return [Drawing(name, section, caption, plots.svg(figure, name)) for name, section, caption, figure in drawn]


Drawn = tuple[str, str, str, Figure]


def _of_pixels(results: Sequence[SliceResult], threshold: float) -> Iterator[Drawn]:
    histogram = pool(result.histogram for result in results)
    pooled = sum((result.lesion for result in results), NO_PIXELS)
    caption = "Every pixel drawn as lesion or not (rows) and called lesion or not (columns); shares are of a row."
    yield "confusion", "pixels", caption, plots.draw_confusion(pooled)
    if not histogram.positives or not histogram.negatives:
        return
    yield (
        "roc",
        "pixels",
        "ROC of pixels, all slices together.",
        plots.draw_roc(thin(roc(histogram)), roc_auc(histogram)),
    )
    curve, average = thin(precision_recall(histogram)), average_precision(histogram)
    caption = "Precision against recall of pixels. Lesions are rare, so this says more than the ROC."
    yield "precision-recall", "pixels", caption, plots.draw_precision_recall(curve, average, pooled)
    by_threshold = thin(dice_by_threshold(histogram))
    caption = "Pooled Dice at each threshold: a flat top means that the choice hardly matters."
    yield "threshold", "pixels", caption, plots.draw_dice_by_threshold(by_threshold, threshold)


def _of_slices(results: Sequence[SliceResult]) -> Iterator[Drawn]:
    sizes = {name: [result.lesion.dice for result in group] for name, group in by_size(results).items()}
    sizes.pop("none", None)
    if sizes:
        caption = "Dice of each slice with lesion, by the size of its lesions; the bar is the median."
        yield "sizes", "slices", caption, plots.draw_dice_by_size(sizes)
    areas = [(result.lesion_px, result.called_px) for result in results]
    caption = "Called against drawn lesion area, one dot for each slice; dotted: equal; logarithmic above 100 pixels."
    yield "areas", "slices", caption, plots.draw_areas([drawn for drawn, _ in areas], [called for _, called in areas])
    present = np.array([result.lesion_px > 0 for result in results])
    if present.any() and not present.all():
        curve = roc_of_scores(np.array([result.scores[FINDING_SCORE] for result in results]), present)
        caption = f"Slices with and without lesion told apart, by {MEANINGS[FINDING_SCORE]}."
        area = score_auc(results, FINDING_SCORE)
        yield "finding", "finding", caption, plots.draw_roc(curve, area, operating_point(curve))


def _of_trust(results: Sequence[SliceResult], robustness: Robustness | None) -> Iterator[Drawn]:
    near = pool(result.near for result in results)
    if near.positives + near.negatives:
        caption = (
            f"Stated probability against share of lesion, within {NEAR_PX} pixels of drawn or called lesions; below, "
            "how many pixels each rests on."
        )
        temperature = fit_temperature(near)
        after = None if math.isnan(temperature) else (temperature, reliability(near, temperature=temperature))
        yield "reliability", "calibration", caption, plots.draw_reliability(reliability(near), after)
    pairs = [(r.disagreement, r.lesion.dice) for r in results if not math.isnan(r.disagreement + r.lesion.dice)]
    if len(pairs) >= 3:
        disagreement, dice = [list(values) for values in zip(*pairs, strict=True)]
        caption = "Dice against the disagreement between mirrored readings, one dot for each slice."
        correlation = rank_correlation(disagreement, dice)
        yield "uncertainty", "uncertainty", caption, plots.draw_uncertainty(disagreement, dice, correlation)
    if robustness:
        units: dict[str, Any] = {name: perturbation.unit for name, perturbation in PERTURBATIONS.items()}
        caption = (
            "What is left at each strength of what was done to the picture: pooled Dice of slices with lesion, and the "
            "share of clean ones of the others."
        )
        yield "robustness", "robustness", caption, plots.draw_robustness(robustness, units)
