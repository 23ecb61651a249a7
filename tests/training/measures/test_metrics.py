from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn

from training.measures.metrics import NO_PIXELS, Overlap, PooledOverlap, overlap, training_metrics


def mask(*values: int) -> NDArray[np.bool_]:
    return np.array(values, np.bool_)


def test_pixels_are_counted() -> None:
    assert overlap(mask(1, 1, 1, 0, 0, 0), mask(1, 1, 0, 1, 0, 0)) == Overlap(2, 1, 1, 2)


def test_the_figures_are_as_computed_by_hand() -> None:
    counts = Overlap(true_positive_px=6, false_positive_px=2, false_negative_px=4)
    assert counts.dice == 12 / 18
    assert counts.iou == 6 / 12
    assert counts.precision == 6 / 8
    assert counts.recall == 6 / 10


def test_figures_with_true_negatives_are_as_computed_by_hand() -> None:
    counts = Overlap(true_positive_px=6, false_positive_px=2, false_negative_px=4, true_negative_px=8)
    assert counts.total_px == 20
    assert counts.specificity == 8 / 10
    assert counts.accuracy == 14 / 20


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_agree_with_scikit_learn(seed: int) -> None:
    truth, called = np.random.default_rng(seed).random((2, 500)) < 0.3
    counts = overlap(truth, called)
    assert counts.dice == pytest.approx(sklearn.f1_score(truth, called))
    assert counts.iou == pytest.approx(sklearn.jaccard_score(truth, called))
    assert counts.precision == pytest.approx(sklearn.precision_score(truth, called))
    assert counts.recall == pytest.approx(sklearn.recall_score(truth, called))
    assert counts.specificity == pytest.approx(sklearn.recall_score(~truth, ~called))
    assert counts.accuracy == pytest.approx(sklearn.accuracy_score(truth, called))
    matrix = sklearn.confusion_matrix(truth, called)
    ours = [
        [counts.true_negative_px, counts.false_positive_px],
        [counts.false_negative_px, counts.true_positive_px],
    ]
    np.testing.assert_array_equal(matrix, ours)


@pytest.mark.parametrize("counts", [Overlap(6, 2, 4), Overlap(1, 0, 0), Overlap(0, 3, 1), Overlap(5, 100, 0)])
def test_iou_follows_from_dice(counts: Overlap) -> None:
    assert counts.iou == pytest.approx(counts.dice / (2 - counts.dice))


def test_two_empty_masks_have_no_figures() -> None:
    empty = overlap(mask(0, 0), mask(0, 0))
    assert empty == Overlap(0, 0, 0, 2)
    assert empty.specificity == 1.0
    assert all(math.isnan(value) for value in (empty.dice, empty.iou, empty.precision, empty.recall))


def test_nothing_called_has_a_dice_of_zero_and_no_precision() -> None:
    missed = overlap(mask(1, 1), mask(0, 0))
    assert (missed.dice, missed.iou, missed.recall) == (0.0, 0.0, 0.0)
    assert math.isnan(missed.precision)


def test_nothing_to_be_found_has_a_dice_of_zero_and_no_recall() -> None:
    invented = overlap(mask(0, 0), mask(0, 1))
    assert (invented.dice, invented.iou, invented.precision) == (0.0, 0.0, 0.0)
    assert math.isnan(invented.recall)


def test_nothing_but_lesion_has_no_specificity() -> None:
    assert math.isnan(overlap(mask(1, 1), mask(1, 0)).specificity)
    assert math.isnan(NO_PIXELS.accuracy)


def test_counts_add_up() -> None:
    assert sum([Overlap(1, 2, 3, 4), Overlap(10, 20, 30, 40)], NO_PIXELS) == Overlap(11, 22, 33, 44)


def test_it_refuses_masks_of_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"truth \(2,\) and prediction \(3,\) differ in shape"):
        overlap(mask(1, 0), mask(1, 0, 0))


def test_it_refuses_masks_that_are_not_bool() -> None:
    with pytest.raises(ValueError, match="must be bool, got bool and uint8"):
        overlap(mask(1, 0), np.array([255, 0], np.uint8))


@pytest.fixture
def batches() -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Truth (2, 8, 9, 4) and answer (2, 8, 9, 2) of three batches; each second slice has no lung mask."""
    rng = np.random.default_rng(0)
    truth = (rng.random((3, 2, 8, 9, 4)) < 0.4).astype(np.float32)
    truth[..., 2], truth[:, 0, ..., 3], truth[:, 1, ..., 3] = 1.0, 1.0, 0.0
    answer = rng.random((3, 2, 8, 9, 2)).astype(np.float32)
    return list(zip(truth, answer, strict=True))


@pytest.mark.parametrize("threshold", [0.5, 0.8])
@pytest.mark.parametrize("kind", ["dice", "iou"])
@pytest.mark.parametrize("channel", [0, 1])
def test_the_metric_of_training_is_the_pooled_figure(
    channel: int, kind: str, threshold: float, batches: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
) -> None:
    metric = PooledOverlap(channel, kind, threshold=threshold, name="figure")
    pooled = NO_PIXELS
    for truth, answer in batches:
        metric.update_state(truth, answer)
        # Only the first slice of each batch has a lung mask.
        slices = slice(0, 1) if channel == 1 else slice(None)
        pooled += overlap(truth[slices, ..., channel] > 0.5, answer[slices, ..., channel] >= threshold)
    assert float(metric.result()) == pytest.approx(getattr(pooled, kind), rel=1e-6)


@pytest.mark.parametrize("kind", ["dice", "iou"])
def test_nothing_at_all_is_zero_while_training(kind: str) -> None:
    metric = PooledOverlap(0, kind, name="figure")
    assert float(metric.result()) == 0.0
    metric.update_state(np.zeros((1, 4, 4, 4), np.float32), np.zeros((1, 4, 4, 2), np.float32))
    assert float(metric.result()) == 0.0


def test_a_new_epoch_begins_with_nothing() -> None:
    metric = PooledOverlap(0, "dice", name="figure")
    metric.update_state(np.ones((1, 4, 4, 4), np.float32), np.ones((1, 4, 4, 2), np.float32))
    assert float(metric.result()) == 1.0
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_it_refuses_an_unknown_figure() -> None:
    with pytest.raises(ValueError, match="kind must be 'dice' or 'iou', got 'hausdorff'"):
        PooledOverlap(0, "hausdorff", name="figure")


def test_the_metrics_of_training_survive_being_saved() -> None:
    for metric in training_metrics():
        assert PooledOverlap.from_config(metric.get_config()).get_config() == metric.get_config()
    assert [metric.name for metric in training_metrics()] == ["lesion_dice", "lesion_iou", "lung_dice"]
