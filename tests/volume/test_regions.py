from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from model.volume.regions import Regions

Voxels = NDArray[np.bool_]


def regions_of(voxels: Voxels, weights: tuple[float, ...] | None = None) -> list[float]:
    regions = Regions()
    for number, mask in enumerate(voxels):
        regions.add(mask, weight=1.0 if weights is None else weights[number])
    return regions.sizes()


def marked(*voxels: tuple[int, int, int], shape: tuple[int, int, int] = (3, 4, 4)) -> Voxels:
    mask = np.zeros(shape, np.bool_)
    for voxel in voxels:
        mask[voxel] = True
    return mask


@pytest.mark.parametrize(
    ("voxels", "sizes"),
    [
        (marked((0, 1, 1), (1, 1, 1)), [2.0]),
        (marked((0, 1, 1), (1, 2, 1)), [2.0]),
        (marked((0, 1, 1), (1, 2, 2)), [2.0]),
        (marked((0, 1, 1), (1, 0, 2)), [2.0]),
        (marked((0, 1, 1), (1, 1, 3)), [1.0, 1.0]),
        (marked((0, 1, 1), (2, 1, 1)), [1.0, 1.0]),
        (marked((0, 0, 0), (0, 0, 1), (2, 3, 3)), [2.0, 1.0]),
    ],
    ids=["face", "edge", "corner", "other corner", "one pixel between", "one slice between", "largest first"],
)
def test_what_touches_is_one(voxels: Voxels, sizes: list[float]) -> None:
    assert regions_of(voxels) == sizes


def test_two_legs_are_one_where_they_meet() -> None:
    # A table seen from its feet: four legs of two slices, and a plate of 25.
    table = np.zeros((3, 5, 5), np.bool_)
    table[:2, ::4, ::4] = True
    table[2] = True
    assert regions_of(table) == [33.0]
    assert regions_of(table[::-1]) == [33.0]


def test_what_parts_again_stays_one() -> None:
    voxels = marked((0, 0, 1), (1, 0, 0), (1, 0, 2), (2, 0, 0), (2, 0, 2), (2, 3, 3))
    assert regions_of(voxels) == [5.0, 1.0]


def test_each_slice_has_its_weight() -> None:
    # 1 · 0.5 + 1 · 2.0 in one, 1 · 2.0 in the other.
    voxels = marked((0, 0, 0), (1, 1, 1), (1, 3, 3))
    assert regions_of(voxels, (0.5, 2.0, 7.0)) == [2.5, 2.0]


def test_without_lesion_there_is_no_region() -> None:
    assert regions_of(np.zeros((3, 4, 4), np.bool_)) == []
    assert Regions().sizes() == []


@pytest.mark.parametrize("share", [0.02, 0.08, 0.15, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_they_are_those_of_scipy(share: float, seed: int) -> None:
    voxels = np.random.default_rng(seed).random((9, 17, 23)) < share
    labels, count = ndimage.label(voxels, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    assert len(sizes) == count
    assert regions_of(voxels) == sorted(sizes.astype(float), reverse=True)


def test_they_are_those_of_scipy_by_weight() -> None:
    voxels = np.random.default_rng(11).random((6, 20, 20)) < 0.07
    weights = (1.0, 2.0, 0.5, 4.0, 0.25, 8.0)
    labels, count = ndimage.label(voxels, np.ones((3, 3, 3)))
    by_voxel = np.broadcast_to(np.array(weights)[:, None, None], voxels.shape)
    expected = ndimage.sum_labels(by_voxel, labels, range(1, count + 1))
    assert regions_of(voxels, weights) == sorted(expected.tolist(), reverse=True)
