from __future__ import annotations

import pytest

from model.volume.severity import SCALE, severity


@pytest.mark.parametrize(
    ("percent", "grade"),
    [
        (0.0, 0),
        (0.001, 1),
        (4.999, 1),
        (5.0, 2),
        (24.999, 2),
        (25.0, 3),
        (49.999, 3),
        (50.0, 4),
        (74.999, 4),
        (75.0, 5),
        (100.0, 5),
    ],
)
def test_classes_begin_at_their_cut(percent: float, grade: int) -> None:
    assert severity(percent).grade == grade


@pytest.mark.parametrize(
    ("percent", "span"),
    [(0, "none"), (1, "below 5 %"), (5, "5 to 25 %"), (30, "25 to 50 %"), (60, "50 to 75 %"), (90, "75 % and more")],
)
def test_a_class_tells_its_span(percent: float, span: str) -> None:
    assert severity(percent).span == span


def test_the_scale_names_every_class() -> None:
    assert all(f"{grade} " in SCALE for grade in range(6))
