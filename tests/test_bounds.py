from __future__ import annotations

import numpy as np
import pytest

from model.bounds import FloatArray, bound_to_lungs


def probabilities(*lungs: tuple[slice, slice], shape: tuple[int, int] = (200, 300)) -> FloatArray:
    """Lesion 0.9 everywhere, lung 0.8 in the rectangles."""
    answer = np.zeros((*shape, 2), np.float32)
    answer[..., 0] = 0.9
    for lung in lungs:
        answer[(*lung, 1)] = 0.8
    return answer


LEFT, RIGHT = (slice(50, 150), slice(30, 120)), (slice(50, 150), slice(180, 270))


def test_lesions_stay_in_the_lungs_and_up_to_three_pixels_around_them() -> None:
    lesion = bound_to_lungs(probabilities(LEFT, RIGHT))[..., 0]
    # A hundredth of 300 pixels is three.
    assert lesion[100, 27] == np.float32(0.9)
    assert lesion[100, 26] == 0.0
    assert lesion[100, 122] == np.float32(0.9)
    assert lesion[100, 150] == 0.0
    assert np.count_nonzero(lesion[100]) == 2 * (90 + 6)


def test_what_a_lung_surrounds_belongs_to_it() -> None:
    answer = probabilities(LEFT)
    # A dense part at the chest wall, which the network does not take for lung.
    answer[80:120, 30:60, 1] = 0.1
    assert bound_to_lungs(answer)[100, 40, 0] == np.float32(0.9)


def test_where_there_is_no_lung_there_is_no_lesion() -> None:
    assert not bound_to_lungs(probabilities())[..., 0].any()


@pytest.mark.parametrize(("side", "kept"), [(11, False), (13, True)])
def test_a_stray_piece_of_lung_bounds_nothing(side: int, kept: bool) -> None:
    # 0.2 % of the slice are 120 pixels; the hull goes through the middles of the outermost pixels.
    answer = probabilities((slice(20, 20 + side), slice(20, 20 + side)))
    assert bound_to_lungs(answer)[..., 0].any() == kept


def test_nothing_else_changes() -> None:
    answer = probabilities(LEFT)
    before = answer.copy()
    bounded = bound_to_lungs(answer)
    np.testing.assert_array_equal(answer, before)
    np.testing.assert_array_equal(bounded[..., 1], before[..., 1])
    assert bounded.dtype == np.float32
