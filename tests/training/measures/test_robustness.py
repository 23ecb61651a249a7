from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.drawn import draw_sample, write_data
from tests.training.stub import BrightEngine
from training.data.dataset import read_manifest
from training.data.sample import Sample
from training.learning.networks import reader
from training.measures.robustness import PERTURBATIONS, measure_robustness, spread_evenly

NAMES = sorted(PERTURBATIONS)


@pytest.fixture
def sample() -> Sample:
    """A drawn slice with some texture, so that there is something to blur."""
    drawn = draw_sample(0, size=96)
    rng = np.random.default_rng(0)
    image = np.clip(drawn.image + rng.normal(0.0, 8.0, drawn.image.shape), 0, 255).astype(np.uint8)
    return Sample(image, drawn.lesion, drawn.lung)


def changed(sample: Sample, name: str) -> list[float]:
    """The mean change of a gray value at each strength."""
    perturbation = PERTURBATIONS[name]
    images = [perturbation.apply(sample, strength).image.astype(float) for strength in perturbation.strengths]
    return [float(np.abs(image - sample.image).mean()) for image in images]


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_dtype_stay(name: str, sample: Sample) -> None:
    for strength in PERTURBATIONS[name].strengths:
        found = PERTURBATIONS[name].apply(sample, strength)
        assert found.image.shape == sample.image.shape
        assert found.image.dtype == np.uint8
        assert set(np.unique(found.lesion)) <= {0, 255}


@pytest.mark.parametrize("name", NAMES)
def test_a_stronger_one_changes_more(name: str, sample: Sample) -> None:
    strengths, changes = PERTURBATIONS[name].strengths, changed(sample, name)
    assert list(strengths) == sorted(set(strengths))
    assert changes[0] > 0.0
    assert changes == sorted(changes)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_pure_function(name: str, sample: Sample) -> None:
    before, perturbation = sample.image.copy(), PERTURBATIONS[name]
    first, second = (perturbation.apply(sample, perturbation.strengths[2]).image for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(sample.image, before)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rotation"])
def test_only_rotation_moves_the_masks(name: str, sample: Sample) -> None:
    np.testing.assert_array_equal(PERTURBATIONS[name].apply(sample, 4.0).lesion, sample.lesion)


def test_rotation_moves_picture_and_mask_alike() -> None:
    drawn = draw_sample(0, size=96)
    turned = PERTURBATIONS["rotation"].apply(drawn, 30.0)
    assert not np.array_equal(turned.lesion, drawn.lesion)
    assert ((turned.image > 180) == (turned.lesion > 0)).mean() > 0.98


def test_the_window_moves_by_the_gray_values_it_says() -> None:
    drawn = draw_sample(0)
    shifted = PERTURBATIONS["window shift"].apply(drawn, 30.0).image
    np.testing.assert_array_equal(shifted, np.clip(drawn.image.astype(int) - 30, 0, 255))


def test_more_words_hold_the_fewer_ones(sample: Sample) -> None:
    few, many = (PERTURBATIONS["burned-in text"].apply(sample, words).image for words in (2.0, 8.0))
    assert (many[few == 255] == 255).all()


def test_the_curves_begin_with_the_picture_as_it_is(tmp_path: Path) -> None:
    rows = read_manifest(write_data(tmp_path, train=0, val=2))
    curves = measure_robustness(reader(BrightEngine()), rows, threshold=0.5)
    assert set(curves) == set(PERTURBATIONS)
    for name, points in curves.items():
        assert [strength for strength, _ in points] == [PERTURBATIONS[name].none, *PERTURBATIONS[name].strengths]
        assert points[0][1] == 1.0
    # Lesions of 200 gray values, called from 153 on, lose some of their pixels in noise of 32.
    assert curves["noise"][-1][1] < 1.0


def test_rows_are_chosen_from_first_to_last(tmp_path: Path) -> None:
    rows = read_manifest(write_data(tmp_path, train=0, val=9))
    assert spread_evenly(rows, 3) == [rows[0], rows[4], rows[8]]
    assert spread_evenly(rows, 20) == rows


def test_it_refuses_to_perturb_nothing() -> None:
    with pytest.raises(ValueError, match="rows is empty"):
        measure_robustness(reader(BrightEngine()), [], threshold=0.5)
