from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.decode.ct import CtVolume, Place
from model.export.planes import planes
from tests.volume.written import drawn_volume


def volume_at(*heights: float) -> CtVolume:
    gaps = np.diff(heights)
    halves = np.concatenate([gaps[:1], gaps, gaps[-1:]]) / 2.0
    return drawn_volume(np.zeros((len(heights), 4, 4), np.float32), extents_mm=(halves[:-1] + halves[1:]).tolist())


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ((0.0, 4.0, 8.0), (0, 1, 2)),
        ((0.0, 4.0, 8.2), (0, 1, 2)),
        ((0.0, 4.0, 8.0, 16.0), (0, 1, 2, 2, 3)),
        ((0.0, 10.0, 20.0, 25.0, 30.0, 40.0), (0, 1, 2, 4, 5)),
    ],
)
def test_planes_lie_at_the_usual_distance(heights: tuple[float, ...], expected: tuple[int, ...]) -> None:
    assert planes(volume_at(*heights)) == expected


def test_what_counts_is_the_distance_of_slices_not_how_high_they_lie() -> None:
    # Slices across the body of a patient who lies askew: all at one height, by their headers.
    volume = replace(volume_at(0.0, 4.0, 8.0, 16.0), places=(Place(z_mm=-300.0),) * 4)
    assert planes(volume) == (0, 1, 2, 2, 3)


def test_one_stray_slice_does_not_make_thousands_of_planes() -> None:
    assert len(planes(volume_at(0.0, 1.0, 2.0, 5000.0))) == 16


def test_slices_at_unknown_heights_come_as_they_are() -> None:
    volume = drawn_volume(np.zeros((3, 4, 4), np.float32), affine=None)
    assert planes(volume) == (0, 1, 2)
