from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.training.drawn import draw_sample, write_data
from training.data.augment import Augmentation, apply, draw
from training.data.dataset import read_manifest, read_scans
from training.data.motion import Blend, blend, draw_blend
from training.data.sample import UNKNOWN, Sample


def plain(gray: int, lesion: int = 0, lung: int | None = 255, shape: tuple[int, int] = (4, 6)) -> Sample:
    masks = [None if value is None else np.full(shape, value, np.uint8) for value in (lesion, lung)]
    assert masks[0] is not None
    return Sample(np.full(shape, gray, np.uint8), masks[0], masks[1])


def test_gray_values_are_mixed_by_the_share() -> None:
    sample = replace(plain(100), beside=(plain(200),))
    assert (blend(sample, Blend(0.25, 0.0)).image == 125).all()


def test_masks_stay_where_both_agree_and_are_open_elsewhere() -> None:
    other = plain(200)
    other.lesion[0] = 255
    assert other.lung is not None
    other.lung[:, 0] = 0
    found = blend(replace(plain(100), beside=(other,)), Blend(0.25, 0.0))
    assert (found.lesion[0] == UNKNOWN).all()
    assert (found.lesion[1:] == 0).all()
    assert found.lung is not None
    assert (found.lung[:, 0] == UNKNOWN).all()
    assert (found.lung[:, 1:] == 255).all()


def test_the_choice_picks_among_the_neighbours() -> None:
    sample = replace(plain(100), beside=(plain(0), plain(200), plain(60, shape=(5, 5))))
    assert blend(sample, Blend(0.5, 0.1)).image[0, 0] == 50
    assert blend(sample, Blend(0.5, 0.9)).image[0, 0] == 150


def test_without_a_fitting_neighbour_nothing_changes() -> None:
    alone = plain(100)
    assert blend(alone, Blend(0.5, 0.0)) is alone
    odd = replace(alone, beside=(plain(60, shape=(5, 5)),))
    assert blend(odd, Blend(0.5, 0.0)) is odd


def test_a_lung_that_the_neighbour_lacks_is_kept() -> None:
    found = blend(replace(plain(100), beside=(plain(200, lung=None),)), Blend(0.25, 0.0))
    assert found.lung is not None
    assert (found.lung == 255).all()


def test_neighbours_are_of_the_same_scan(tmp_path: Path) -> None:
    # Two patients of three slices, the first of them out of order.
    rows = read_manifest(write_data(tmp_path, train=6, val=0))
    numbers = [2, 0, 1, 3, 4, 5]
    rows = [
        replace(row, source="s", patient="a" if place < 3 else "b", slice_index=number, volume="")
        for place, (row, number) in enumerate(zip(rows, numbers, strict=True))
    ]
    samples = read_scans(rows)
    assert [len(sample.beside) for sample in samples] == [2] * 6
    for place, sample in enumerate(samples):
        others = [samples[other].image for other in range(6) if other != place and (other < 3) == (place < 3)]
        assert all(any(np.array_equal(near.image, other) for other in others) for near in sample.beside)
        assert all(near.beside == () for near in sample.beside)


def test_a_configuration_asks_for_it() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(rng, Augmentation(blend=0.5)).blend for _ in range(100)]
    assert 30 < sum(one is not None for one in drawn) < 70
    assert all(0.15 <= draw_blend(rng).share <= 0.5 for _ in range(100))
    sample = replace(draw_sample(0), beside=(draw_sample(1),))
    once = replace(draw(np.random.default_rng(0)), blend=Blend(0.5, 0.0), crop=None)
    assert not np.array_equal(apply(sample, once).image, apply(replace(sample, beside=()), once).image)
