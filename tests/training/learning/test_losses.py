from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from training.learning.losses import (
    LOSSES,
    LesionLungLoss,
    batch_dice,
    batch_jaccard,
    bce_jaccard,
    binary_crossentropy,
    focal_tversky,
)

FloatArray = NDArray[np.float32]


def row(*values: float) -> FloatArray:
    """(1, 1, W) float32."""
    return np.array([[values]], np.float32)


TRUTH, PROBABILITY = row(1.0, 0.0), row(0.8, 0.4)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (row(1.0, 1.0), -(math.log(0.8) + math.log(0.6)) / 2),
        (row(1.0, 0.0), -math.log(0.8)),
        (row(0.0, 0.0), 0.0),
    ],
)
def test_the_cross_entropy_is_as_computed_by_hand(weight: FloatArray, expected: float) -> None:
    assert float(binary_crossentropy(TRUTH, PROBABILITY, weight)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        # Intersection 0.8; union (1 + 0.8 - 0.8) + 0.4 = 1.4; one pixel of smoothing on both.
        (row(1.0, 1.0), 1.0 - 1.8 / 2.4),
        (row(0.0, 1.0), 1.0 - 1.0 / 1.4),
        (row(0.0, 0.0), 0.0),
    ],
)
def test_the_jaccard_loss_is_as_computed_by_hand(weight: FloatArray, expected: float) -> None:
    assert float(batch_jaccard(TRUTH, PROBABILITY, weight)) == pytest.approx(expected, abs=1e-6)


def test_two_empty_masks_agree() -> None:
    empty = row(0.0, 0.0)
    assert float(batch_jaccard(empty, empty, row(1.0, 1.0))) == 0.0


def test_the_jaccard_loss_is_pooled_over_the_batch() -> None:
    truth, probability = np.concatenate([TRUTH, row(0.0, 0.0)]), np.concatenate([PROBABILITY, row(0.5, 0.0)])
    # 0.5 joins the union of the whole batch: 1.4 + 0.5.
    loss = float(batch_jaccard(truth, probability, np.ones_like(truth)))
    assert loss == pytest.approx(1.0 - 1.8 / 2.9, abs=1e-6)


def test_the_dice_loss_is_as_computed_by_hand() -> None:
    # Twice the intersection 0.8, against 1 + 0.8 + 0.4; one pixel of smoothing on both.
    assert float(batch_dice(TRUTH, PROBABILITY, row(1.0, 1.0))) == pytest.approx(1.0 - 2.6 / 3.2, abs=1e-6)
    assert float(batch_dice(TRUTH, PROBABILITY, row(0.0, 1.0))) == pytest.approx(1.0 - 1.0 / 1.4, abs=1e-6)


def test_the_focal_tversky_loss_is_as_computed_by_hand() -> None:
    # Found 0.8, missed 0.2, called wrongly 0.4.
    index = 1.8 / (0.8 + 0.7 * 0.2 + 0.3 * 0.4 + 1.0)
    assert float(focal_tversky(TRUTH, PROBABILITY, row(1.0, 1.0))) == pytest.approx((1.0 - index) ** 0.75, abs=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss_falls_with_the_error_and_has_a_slope_where_all_is_right(kind: str) -> None:
    weight = row(1.0, 1.0)
    values = [float(LOSSES[kind](TRUTH, row(right, 1.0 - right), weight)) for right in (0.1, 0.5, 0.9, 1.0)]
    assert values == sorted(values, reverse=True) and len(set(values)) == 4
    predicted = tf.Variable(TRUTH)
    with tf.GradientTape() as tape:
        loss = LOSSES[kind](TRUTH, predicted, weight)
    assert np.isfinite(tape.gradient(loss, predicted).numpy()).all()


def test_pixels_of_an_unknown_lesion_add_nothing() -> None:
    truth, predicted = truth_of(lung_known=(0.0,)), answer(1)
    truth[0, 1, :, 2] = 0.0
    expected = float(bce_jaccard(truth[:, :1, :, 0], predicted[:, :1, :, 0], np.ones((1, 1, 2), np.float32)))
    assert float(LesionLungLoss()(truth, predicted)) == pytest.approx(expected, rel=1e-6)


def test_a_configuration_chooses_the_loss() -> None:
    truth, predicted = truth_of(lung_known=(1.0, 1.0)), answer(2)
    ones = np.ones((2, 2, 2), np.float32)
    expected = float(batch_dice(truth[..., 0], predicted[..., 0], ones))
    assert float(LesionLungLoss(0.0, "dice")(truth, predicted)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_certain_error_costs_a_finite_loss(probability: float) -> None:
    loss = float(bce_jaccard(row(1.0 - probability), row(probability), row(1.0)))
    assert math.isfinite(loss) and loss > 10.0


def truth_of(*, lung_known: tuple[float, ...]) -> FloatArray:
    """(N, 2, 2, 4): half lesion, all lung where it is known."""
    truth = np.zeros((len(lung_known), 2, 2, 4), np.float32)
    truth[:, 0, :, 0] = truth[..., 2] = 1.0
    truth[..., 3] = np.array(lung_known, np.float32)[:, None, None]
    truth[..., 1] = truth[..., 3]
    return truth


def answer(slices: int) -> FloatArray:
    return np.random.default_rng(0).uniform(0.1, 0.9, (slices, 2, 2, 2)).astype(np.float32)


def test_the_loss_is_lesion_plus_weighted_lung() -> None:
    truth, predicted = truth_of(lung_known=(1.0, 1.0)), answer(2)
    ones = np.ones((2, 2, 2), np.float32)
    lesion, lung = (float(bce_jaccard(truth[..., channel], predicted[..., channel], ones)) for channel in (0, 1))
    assert float(LesionLungLoss(0.25)(truth, predicted)) == pytest.approx(lesion + 0.25 * lung, rel=1e-6)


def test_a_slice_without_lung_mask_adds_nothing_to_the_lung_term() -> None:
    known, both = truth_of(lung_known=(1.0,)), truth_of(lung_known=(1.0, 0.0))
    predicted = answer(2)
    # The lesion is answered rightly, so that the lung term is all there is.
    predicted[..., 0] = both[..., 0]
    loss = LesionLungLoss(1.0)
    assert float(loss(both, predicted)) == pytest.approx(float(loss(known, predicted[:1])), abs=1e-5)


def test_a_slice_without_lung_mask_has_no_gradient_for_the_lung() -> None:
    predicted = tf.Variable(answer(2))
    with tf.GradientTape() as tape:
        loss = LesionLungLoss(0.5)(truth_of(lung_known=(1.0, 0.0)), predicted)
    gradient = tape.gradient(loss, predicted).numpy()
    assert np.all(gradient[1, ..., 1] == 0.0)
    assert np.all(gradient[0, ..., 1] != 0.0)
    assert np.all(gradient[..., 0] != 0.0)


def test_a_batch_without_any_lung_mask_has_a_lung_term_of_zero() -> None:
    truth, predicted = truth_of(lung_known=(0.0, 0.0)), answer(2)
    assert float(LesionLungLoss(7.0)(truth, predicted)) == float(LesionLungLoss(0.0)(truth, predicted))


def test_it_trains_a_compiled_model() -> None:
    network = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(2, 1, activation="sigmoid")])
    network.compile(optimizer="sgd", loss=LesionLungLoss(0.5))
    image, truth = np.ones((2, 2, 2, 1), np.float32), truth_of(lung_known=(1.0, 0.0))
    expected = float(LesionLungLoss(0.5)(truth, network.predict_on_batch(image)))
    before = float(network.train_on_batch(image, truth))
    assert before == pytest.approx(expected, rel=1e-5)
    assert float(network.train_on_batch(image, truth)) < before


def test_it_survives_being_saved() -> None:
    loss = LesionLungLoss.from_config(LesionLungLoss(0.3, "dice").get_config())
    assert (loss.lung_weight, loss.kind) == (0.3, "dice")


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="loss must be one of bce-jaccard, bce, dice, focal-tversky, got 'mse'"):
        LesionLungLoss(kind="mse")
