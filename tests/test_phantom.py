from __future__ import annotations

import numpy as np

from model.phantom import EXAMPLES, draw_phantom


def test_the_same_arguments_give_the_same_pixels() -> None:
    np.testing.assert_array_equal(draw_phantom(EXAMPLES["many"]), draw_phantom(EXAMPLES["many"]))


def test_opacities_brighten_the_lung_where_they_are_and_nowhere_else() -> None:
    (blob,) = EXAMPLES["one"]
    difference = draw_phantom(EXAMPLES["one"]).astype(int) - draw_phantom()
    assert difference[blob.y - 5 : blob.y + 6, blob.x - 5 : blob.x + 6].mean() > 30
    assert np.abs(difference[:, 256:]).max() == 0


def test_it_is_not_symmetric() -> None:
    picture = draw_phantom().astype(int)
    assert np.abs(picture - picture[:, ::-1]).mean() > 10
