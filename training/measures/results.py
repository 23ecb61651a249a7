"""What was found on each slice, and the figures of several slices together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from training.data.dataset import Row
from training.measures.appearance import Appearance
from training.measures.curves import EMPTY, Histogram, average_precision, roc_auc
from training.measures.finding import FINDING_SCORE, auc
from training.measures.lesions import NO_LESIONS, LesionCounts
from training.measures.metrics import NO_PIXELS, Overlap
from training.measures.surfaces import Surface
from training.measures.uncertainty import rank_correlation

CLEAN_SHARE = 0.01
"""A slice without lesion is clean where at most this share of its predicted lung is called lesion."""


@dataclass(frozen=True)
class SliceResult:
    """How one slice was read, in pixels of the slice. `lung` is None without a lung mask or a lung channel."""

    row: Row
    lesion: Overlap
    lung: Overlap | None
    called_share: float | None  # of the predicted lung; None where the network has no lung channel
    surface: Surface
    lesions: LesionCounts
    histogram: Histogram  # of all pixels
    near: Histogram  # of pixels near a true or called lesion, 0.0 left out: see training.measures.calibration
    scores: dict[str, float]  # by the names of training.measures.finding.CANDIDATES
    appearance: Appearance
    disagreement: float = math.nan  # of flips, 0.0 ... 1.0; NaN where it was not measured

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
    """The figures of several slices; where one is undefined (see training.measures.metrics) it is NaN.

    Pooled figures add up the pixels of all slices, then divide. Whole numbers say what other figures rest on.
    """

    lesion_dice: float  # this and the next seven are pooled
    lesion_iou: float
    lesion_precision: float
    lesion_recall: float
    lesion_specificity: float
    lesion_accuracy: float
    roc_auc: float  # of pixels
    average_precision: float  # of pixels
    mean_slice_dice: float  # over the slices with lesion in the truth
    surface_dice: float  # the same; tolerance and library: training.measures.surfaces
    hd95_px: float  # mean over the slices with lesion in truth and call
    hd95_median_px: float
    hd95_slices: int
    lesion_slices: int
    left_out_slices: int  # without lesion in the truth: left out of the slice means, counted in clean_share
    lesion_sensitivity: float  # lesion by lesion, see training.measures.lesions
    true_lesions: int
    false_lesions_per_slice: float  # over all slices
    area_pearson: float  # of true and called area, over the slices with either
    area_spearman: float
    area_bias_px: float  # mean of called less true area, over all slices
    finding_auc: float  # slices with and without lesion told apart
    clean_share: float  # of the slices without lesion, those with at most CLEAN_SHARE of the predicted lung called
    lung_dice: float
    # With a lung mask: what lung_dice rests on. An empty mask counts, since lung called there would lower the Dice.
    lung_slices: int

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def summarise(results: Sequence[SliceResult]) -> Summary:
    """Sum up slices; an empty sequence gives NaN and zeros."""
    pooled = sum((result.lesion for result in results), NO_PIXELS)
    lungs = [result.lung for result in results if result.lung is not None]
    histogram = pool(result.histogram for result in results)
    ill = [result for result in results if result.lesion_px > 0]
    distances = [result.surface.hd95_px for result in results if not math.isnan(result.surface.hd95_px)]
    counts = sum((result.lesions for result in results), NO_LESIONS)
    pearson, spearman, bias = _compare_areas(results)
    return Summary(
        lesion_dice=pooled.dice,
        lesion_iou=pooled.iou,
        lesion_precision=pooled.precision,
        lesion_recall=pooled.recall,
        lesion_specificity=pooled.specificity,
        lesion_accuracy=pooled.accuracy,
        roc_auc=roc_auc(histogram),
        average_precision=average_precision(histogram),
        mean_slice_dice=_mean([result.lesion.dice for result in ill]),
        surface_dice=_mean([result.surface.surface_dice for result in ill]),
        hd95_px=_mean(distances),
        hd95_median_px=float(np.median(distances)) if distances else math.nan,
        hd95_slices=len(distances),
        lesion_slices=len(ill),
        left_out_slices=len(results) - len(ill),
        lesion_sensitivity=counts.sensitivity,
        true_lesions=counts.true,
        false_lesions_per_slice=counts.false / len(results) if results else math.nan,
        area_pearson=pearson,
        area_spearman=spearman,
        area_bias_px=bias,
        finding_auc=score_auc(results, FINDING_SCORE),
        clean_share=_clean_share(results),
        lung_dice=sum(lungs, NO_PIXELS).dice,
        lung_slices=len(lungs),
    )


def pool(histograms: Iterable[Histogram]) -> Histogram:
    """Add histograms up."""
    return sum(histograms, EMPTY)


def score_auc(results: Sequence[SliceResult], score: str) -> float:
    """Return how well a score tells slices with lesion from those without; NaN where one kind is absent."""
    present = np.array([result.lesion_px > 0 for result in results], np.bool_)
    return auc(np.array([result.scores[score] for result in results], np.float64), present)


def _compare_areas(results: Sequence[SliceResult]) -> tuple[float, float, float]:
    """Return Pearson's and Spearman's correlation of true and called area, and the mean of called less true."""
    either = [result for result in results if result.lesion_px or result.called_px]
    true = np.array([result.lesion_px for result in either], np.float64)
    called = np.array([result.called_px for result in either], np.float64)
    bias = _mean([float(result.called_px - result.lesion_px) for result in results])
    if len(either) < 3 or np.ptp(true) == 0.0 or np.ptp(called) == 0.0:
        return math.nan, math.nan, bias
    return float(np.corrcoef(true, called)[0, 1]), rank_correlation(true.tolist(), called.tolist()), bias


def _clean_share(results: Sequence[SliceResult]) -> float:
    shares = [result.called_share for result in results if result.lesion_px == 0 and result.called_share is not None]
    return _mean([float(share <= CLEAN_SHARE) for share in shares])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
