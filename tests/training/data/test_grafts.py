from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.drawn import draw_sample
from training.data.grafts import Densify, Graft, Haze, densify, draw_densify, draw_graft, draw_haze, graft, haze
from training.data.sample import UNKNOWN, Sample

DENSE = Densify(amount=1.0, grain_px=8.0, seed=3)
# Of the 48 by 48 pixels of lung, the one in the middle of the 25th row.
PLAIN = Graft(position=(24 * 48 + 24) / 48**2, scale=1.0, mirror_columns=False, mirror_rows=False)


def healthy() -> Sample:
    """A lung of 48×48 pixels at gray 70, in tissue of gray 140."""
    sample = draw_sample(0)
    assert sample.lung is not None
    image = np.where(sample.lung > 0, 70, 140).astype(np.uint8)
    return Sample(image, np.zeros_like(sample.lesion), sample.lung)


def faint() -> Sample:
    """A lesion at gray 100, darker than the tissue."""
    sample = draw_sample(0)
    return replace(sample, image=np.where(sample.lesion > 0, 100, np.minimum(sample.image, 140)).astype(np.uint8))


def test_a_denser_lesion_is_brighter_and_no_brighter_than_tissue() -> None:
    before = faint()
    after = densify(before, DENSE)
    inside = before.lesion == 255
    assert after.image[inside].mean() > 110
    assert after.image.max() == 140
    assert (after.image >= before.image).all()


def test_a_denser_lesion_keeps_its_masks_and_its_surroundings() -> None:
    before = faint()
    after = densify(before, DENSE)
    assert np.array_equal(after.lesion, before.lesion)
    assert after.lung is before.lung
    far = np.ones_like(before.lesion, bool)
    far[2:40, 4:50] = False
    assert np.array_equal(after.image[far], before.image[far])


def test_an_amount_of_nothing_changes_nothing() -> None:
    before = faint()
    assert np.array_equal(densify(before, replace(DENSE, amount=0.0)).image, before.image)


def test_a_slice_without_lesion_gets_no_denser() -> None:
    sample = healthy()
    assert densify(sample, DENSE) is sample


def test_a_graft_brings_the_lesion_and_its_mask() -> None:
    sample, donor = healthy(), draw_sample(0)
    after = graft(sample, donor, PLAIN)
    # 16 rows and 21 columns of the donor's lesion about the middle of the lung, all inside it.
    assert np.count_nonzero(after.lesion) == np.count_nonzero(donor.lesion) == 16 * 21
    rows, columns = np.nonzero(after.lesion)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(31.5, abs=1.5)
    assert after.image[after.lesion == 255].mean() > 170
    assert after.lung is sample.lung


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_graft_is_scaled(scale: float) -> None:
    count = np.count_nonzero(graft(healthy(), draw_sample(0), replace(PLAIN, scale=scale)).lesion)
    assert count == pytest.approx(16 * 21 * scale**2, rel=0.1)


@pytest.mark.parametrize("position", [0.0, 0.3, 1.0])
def test_a_graft_stays_in_the_lung_and_darkens_nothing(position: float) -> None:
    sample = healthy()
    after = graft(sample, draw_sample(0), replace(PLAIN, position=position))
    assert after.lung is not None
    assert not (after.lesion[after.lung == 0]).any()
    assert np.array_equal(after.image[after.lung == 0], sample.image[after.lung == 0])
    assert (after.image >= sample.image).all()
    assert after.lesion.any()


def test_a_graft_is_mirrored() -> None:
    donor = healthy()
    donor.lesion[20:24, 20:24] = 255
    donor.lesion[20, 40] = 255
    plain, mirrored = (graft(healthy(), donor, replace(PLAIN, mirror_columns=mirror)) for mirror in (False, True))
    rows = np.flatnonzero(plain.lesion.any(axis=1))
    assert np.array_equal(rows, np.flatnonzero(mirrored.lesion.any(axis=1)))
    first, mirrored_first = (np.flatnonzero(one.lesion[rows[0]]) for one in (plain, mirrored))
    # In the top row the block of four comes first, or last.
    assert list(np.diff(first)) == [1, 1, 1, 17]
    assert list(np.diff(mirrored_first)) == [17, 1, 1, 1]


def test_a_graft_leaves_what_nobody_knows() -> None:
    sample = healthy()
    sample.lesion[:] = UNKNOWN
    assert (graft(sample, draw_sample(0), PLAIN).lesion == UNKNOWN).all()


def test_without_lungs_or_without_lesions_there_is_no_graft() -> None:
    sample = healthy()
    lungless = replace(sample, lung=None)
    assert graft(lungless, draw_sample(0), PLAIN) is lungless
    assert graft(sample, healthy(), PLAIN) is sample


FOG = Haze(amount_gray=40.0, coverage=0.5, grain_px=6.0, seed=1)


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.9])
def test_haze_covers_its_share_of_the_lung_and_is_marked_as_lesion(coverage: float) -> None:
    sample = healthy()
    after = haze(sample, replace(FOG, coverage=coverage))
    assert sample.lung is not None
    assert np.count_nonzero(after.lesion) / np.count_nonzero(sample.lung) == pytest.approx(coverage, abs=0.01)
    assert not after.lesion[sample.lung == 0].any()
    assert np.array_equal(after.image[sample.lung == 0], sample.image[sample.lung == 0])


def test_haze_is_as_bright_as_it_says() -> None:
    sample = healthy()
    after = haze(sample, replace(FOG, coverage=0.9))
    lung = sample.lung == 255
    assert (after.image >= sample.image).all()
    # Softened at the edges, where a part of the lung is left free.
    assert 25 < (after.image[lung].astype(float) - sample.image[lung]).mean() < 40


def test_haze_needs_lungs_and_leaves_what_nobody_knows() -> None:
    lungless = replace(healthy(), lung=None)
    assert haze(lungless, FOG) is lungless
    unknown = healthy()
    unknown.lesion[:] = UNKNOWN
    assert (haze(unknown, FOG).lesion == UNKNOWN).all()


def test_what_is_drawn_stays_in_its_range() -> None:
    rng = np.random.default_rng(0)
    grafts, dense = [draw_graft(rng) for _ in range(200)], [draw_densify(rng) for _ in range(200)]
    assert all(0.6 <= one.scale <= 1.8 and 0.0 <= one.position < 1.0 for one in grafts)
    hazes = [draw_haze(rng) for _ in range(200)]
    assert all(0.05 <= one.coverage <= 0.9 and 17.0 <= one.amount_gray <= 76.0 for one in hazes)
    assert all(0.2 <= one.amount <= 0.95 and 4.0 <= one.grain_px <= 30.0 for one in dense)


def test_haze_is_no_fainter_than_wanted() -> None:
    rng = np.random.default_rng(0)
    amounts = [draw_haze(rng, 30.0).amount_gray for _ in range(200)]
    assert 30.0 <= min(amounts) < 35.0
    assert 70.0 < max(amounts) <= 76.0
