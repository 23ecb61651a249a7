from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.drawn import draw_sample, write_data, write_manifest
from tests.training.stub import BrightEngine, FakeEngine, line
from training.data.dataset import read_manifest, read_sample
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
    for name, by in (("darker window", -30), ("brighter window", 30)):
        shifted = PERTURBATIONS[name].apply(drawn, 30.0).image
        np.testing.assert_array_equal(shifted, np.clip(drawn.image.astype(int) + by, 0, 255))


def test_contrast_changes_about_the_middle_gray() -> None:
    ramp = np.array([[0, 100, 127, 128, 155, 255]], np.uint8)
    nothing = np.zeros_like(ramp)
    for name, expected in (
        ("more contrast", [0, 72, 126, 128, 182, 255]),
        ("less contrast", [64, 114, 127, 128, 141, 191]),
    ):
        changed = PERTURBATIONS[name].apply(Sample(ramp, nothing, None), 2.0).image
        np.testing.assert_allclose(changed[0].astype(int), expected, atol=1)


def test_more_words_hold_the_fewer_ones(sample: Sample) -> None:
    few, many = (PERTURBATIONS["burned-in text"].apply(sample, words).image for words in (2.0, 8.0))
    assert (many[few == 255] == 255).all()


def test_the_curves_begin_with_the_picture_as_it_is(tmp_path: Path) -> None:
    samples = [*map(read_sample, read_manifest(write_data(tmp_path, train=0, val=2)))]
    found = measure_robustness(reader(BrightEngine()), samples, threshold=0.5)
    assert (found.lesion_slices, found.left_out_slices) == (2, 0)
    assert set(found.steps) == set(PERTURBATIONS)
    for name, steps in found.steps.items():
        assert [step.strength for step in steps] == [PERTURBATIONS[name].none, *PERTURBATIONS[name].strengths]
        assert steps[0].dice == 1.0
        assert np.isnan(steps[0].clean)
    # Lesions of 200 gray values, called from 153 on, lose some of their pixels in noise of 32.
    assert found.steps["noise"][-1].dice < 1.0


def test_slices_without_lesion_are_clean_until_one_is_called(tmp_path: Path) -> None:
    lines = [
        line(tmp_path, "ill", "a1", called=4, lesion=4, lung=20),
        line(tmp_path, "well", "a2", called=0, lesion=0, lung=20),
        line(tmp_path, "called", "a3", called=1, lesion=0, lung=20),
    ]
    samples = [*map(read_sample, read_manifest(write_manifest(tmp_path / "index.csv", lines)))]
    found = measure_robustness(reader(FakeEngine()), samples, threshold=0.5)
    assert (found.lesion_slices, found.left_out_slices) == (1, 2)
    # The lung is 127, which 40 more bring to 167, above the 153 from which it is called.
    assert found.steps["brighter window"][0] == (0.0, 1.0, 0.5)
    assert found.steps["brighter window"][-1].clean == 0.0
    assert found.steps["darker window"][-1].clean == 0.5


def test_rows_are_chosen_from_first_to_last(tmp_path: Path) -> None:
    rows = read_manifest(write_data(tmp_path, train=0, val=9))
    assert spread_evenly(rows, 3) == [rows[0], rows[4], rows[8]]
    assert spread_evenly(rows, 20) == rows


def test_it_refuses_to_perturb_nothing() -> None:
    with pytest.raises(ValueError, match="samples is empty"):
        measure_robustness(reader(BrightEngine()), [], threshold=0.5)
