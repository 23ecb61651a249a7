from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.stub import BrightEngine
from training.measures.uncertainty import (
    FLIPS,
    disagreement,
    flip_disagreement,
    partial_rank_correlation,
    rank_correlation,
    read_flipped,
)

FloatArray = NDArray[np.float32]


class LeftEngine(BrightEngine):
    """Calls lesion only in the left half of what it is given."""

    def predict(self, batch: FloatArray) -> FloatArray:
        answer = super().predict(batch)
        answer[:, :, batch.shape[2] // 2 :] = 0.0
        return answer


def spot(side: int = 64) -> NDArray[np.uint8]:
    """(side, side) uint8 with a bright spot at the top left."""
    image = np.zeros((64, 64), np.uint8)
    image[5:15, 8:20] = 230
    return np.kron(image, np.ones((side // 64, side // 64), np.uint8))


@pytest.mark.parametrize("side", [64, 128])
def test_readings_are_turned_back_at_the_size_of_the_slice(side: int) -> None:
    readings = read_flipped(BrightEngine(), spot(side))
    assert len(readings) == len(FLIPS) == 4
    for reading in readings:
        np.testing.assert_array_equal(reading >= 0.5, spot(side) > 0)


def test_a_network_that_does_not_care_agrees_with_itself() -> None:
    assert flip_disagreement(BrightEngine(), spot(), threshold=0.5) == 0.0


def test_a_network_that_looks_left_only_disagrees() -> None:
    # Found as it is and upside down, not when mirrored: of six pairs two agree (found, found; none, none).
    assert flip_disagreement(LeftEngine(), spot(), threshold=0.5) == pytest.approx(4 / 6)


def test_the_border_around_a_slice_does_not_count() -> None:
    class BorderEngine(BrightEngine):
        """Calls lesion in the uppermost quarter of what it is given."""

        def predict(self, batch: FloatArray) -> FloatArray:
            answer = np.zeros_like(super().predict(batch))
            answer[:, : batch.shape[1] // 4] = 1.0
            return answer

    # A slice twice as wide as high lies in the middle half of the input.
    assert flip_disagreement(BorderEngine(), np.zeros((32, 64), np.uint8), threshold=0.5) == 0.0
    assert flip_disagreement(BorderEngine(), np.zeros((64, 64), np.uint8), threshold=0.5) > 0.0


def test_what_is_taken_away_from_the_lungs_does_not_count() -> None:
    class CornerEngine(BrightEngine):
        """Calls lesion in the lower right quarter of what it is given, and no lung there."""

        def predict(self, batch: FloatArray) -> FloatArray:
            answer = super().predict(batch)
            answer[:, 32:, 32:, 0] = 1.0
            return answer

    # Unbounded, no two of the four readings would share a pixel.
    assert flip_disagreement(CornerEngine(), np.zeros((64, 64), np.uint8), threshold=0.5) == 0.0


def test_disagreement_is_as_computed_by_hand() -> None:
    masks = [np.array([1, 1, 0], np.bool_), np.array([1, 0, 0], np.bool_), np.array([0, 0, 1], np.bool_)]
    assert disagreement(masks) == pytest.approx(1 - (2 / 3 + 0 + 0) / 3)


def test_empty_masks_agree() -> None:
    assert disagreement([np.zeros(4, np.bool_)] * 3) == 0.0


def test_one_mask_cannot_disagree() -> None:
    with pytest.raises(ValueError, match="at least two masks, got 1"):
        disagreement([np.zeros(4, np.bool_)])


def test_ranks_are_compared_and_nan_left_out() -> None:
    assert rank_correlation([1.0, 2.0, math.nan, 30.0], [9.0, 4.0, 0.0, 1.0]) == pytest.approx(-1.0)


def test_what_a_third_thing_explains_is_taken_off() -> None:
    first, second, given = [1.0, 3.0, 2.0, 5.0, 4.0], [2.0, 1.0, 4.0, 5.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    # Of ranks: r12 = 1 - 6 * 10 / 120 = 0.5, r13 = 0.8, r23 = 0.6.
    assert partial_rank_correlation(first, second, given) == pytest.approx((0.5 - 0.8 * 0.6) / math.sqrt(0.36 * 0.64))
    assert partial_rank_correlation(second, given, first) == pytest.approx((0.6 - 0.5 * 0.8) / math.sqrt(0.75 * 0.36))
    assert math.isnan(partial_rank_correlation(first, second, first))
    assert math.isnan(partial_rank_correlation(first, second, [1.0] * 5))


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, math.nan, 2.0]])
def test_too_little_to_compare_is_undefined(values: list[float]) -> None:
    assert math.isnan(rank_correlation(values, [1.0, 2.0, 3.0]))
