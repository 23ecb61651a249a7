from __future__ import annotations

import numpy as np
import pytest

from training.data.strokes import STROKE_KINDS, Stroke, draw_strokes


@pytest.mark.parametrize("kind", STROKE_KINDS)
def test_a_stroke_is_drawn_upon_a_copy(kind: str) -> None:
    image = np.zeros((60, 80), np.uint8)
    drawn = draw_strokes(image, (Stroke(kind, (0.2, 0.5), (0.8, 0.9), gray=255, thickness=2),))
    assert drawn.max() == 255
    assert image.max() == 0


def test_a_line_ends_where_it_is_said_to() -> None:
    # Of 81 columns and 61 rows: from (8, 12) to (40, 12).
    drawn = draw_strokes(np.zeros((61, 81), np.uint8), (Stroke("line", (0.1, 0.2), (0.5, 0.2), gray=255, thickness=1),))
    assert np.argwhere(drawn > 128).min(axis=0).tolist() == [12, 8]
    assert np.argwhere(drawn > 128).max(axis=0).tolist() == [12, 40]
