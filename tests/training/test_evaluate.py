from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.drawn import write_manifest, write_png
from tests.training.stub import SIZE, FakeEngine, four_rows, line, mask
from training.data.dataset import Row, read_manifest
from training.data.sample import UNKNOWN
from training.evaluate import evaluate
from training.measures.groups import by_patient
from training.measures.results import summarise

FloatArray = NDArray[np.float32]


class LesionEngine(FakeEngine):
    """Has no lung channel."""

    channels: tuple[str, ...] = ("lesion",)


class Hesitant(FakeEngine):
    """Is sure of nothing, so that only what is taken away from the lungs has a probability of 0."""

    def predict(self, batch: FloatArray) -> FloatArray:
        return 0.1 + np.float32(0.8) * super().predict(batch)


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return four_rows(tmp_path)


def test_pooled_figures_are_as_computed_by_hand(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows))
    # In rows of 20 pixels: true 4 + 2, false positive 2 + 1, false negative 2.
    assert summary.lesion_dice == pytest.approx(12 / (12 + 3 + 2))
    assert summary.lesion_iou == pytest.approx(6 / 11)
    assert summary.lesion_precision == pytest.approx(6 / 9)
    assert summary.lesion_recall == pytest.approx(6 / 8)


def test_the_lung_is_measured_where_it_was_drawn(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows))
    # Called 20 + 20 rows, drawn 20 + 10.
    assert summary.lung_dice == pytest.approx(60 / 70)
    assert summary.lung_slices == 2


def test_slices_without_lesion_are_left_out_of_the_mean(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows))
    assert summary.mean_slice_dice == pytest.approx((8 / 10 + 4 / 6) / 2)
    assert (summary.lesion_slices, summary.left_out_slices) == (2, 2)


def test_slices_without_lesion_are_clean_where_little_is_called(rows: list[Row]) -> None:
    results = evaluate(FakeEngine(), rows)
    # One row of twenty is 5 %.
    assert [result.called_share for result in results] == [0.2, 0.2, 0.05, 0.0]
    assert summarise(results).clean_share == 0.5


def test_what_is_called_outside_the_lung_counts_as_lung(rows: list[Row]) -> None:
    class Apart(FakeEngine):
        """Sees no lung where it sees a lesion, but for the outermost columns."""

        def predict(self, batch: FloatArray) -> FloatArray:
            lesion, lung = np.split(super().predict(batch), 2, axis=-1)
            lung[:, :, 1:19] -= lesion[:, :, 1:19]
            return np.concatenate([lesion, lung], axis=-1)

    results = evaluate(Apart(), rows)
    assert [result.called_share for result in results] == [0.2, 0.2, 0.05, 0.0]


@pytest.mark.parametrize(("pixels", "clean"), [(4, 1.0), (5, 0.0)])
def test_one_percent_of_the_lung_is_still_clean(pixels: int, clean: float, tmp_path: Path) -> None:
    healthy = line(tmp_path, "one", "a1", called=0, lesion=0, lung=None)
    image = mask(20, 20) // 2
    image[0, :pixels] = 255
    write_png(tmp_path / "one.png", image)
    rows = read_manifest(write_manifest(tmp_path / "index.csv", [healthy]))
    assert summarise(evaluate(FakeEngine(), rows)).clean_share == clean


def test_nothing_called_where_no_lung_is_found_is_clean(tmp_path: Path) -> None:
    air = line(tmp_path, "one", "a1", called=0, lesion=0, lung=None)
    write_png(tmp_path / "one.png", mask(0, 0))
    rows = read_manifest(write_manifest(tmp_path / "index.csv", [air]))
    summary = summarise(evaluate(FakeEngine(), rows))
    assert summary.clean_share == 1.0
    assert math.isnan(summary.lesion_dice)


def test_groups_are_summed_up_apart(rows: list[Row]) -> None:
    found = {name: summarise(group) for name, group in by_patient(evaluate(FakeEngine(), rows)).items()}
    assert list(found) == ["a1", "b1", "b2"]
    assert found["a1"].lesion_precision == pytest.approx(6 / 8)
    assert found["b1"].lesion_dice == 0.0
    assert math.isnan(found["b2"].lesion_dice)
    assert math.isnan(found["b2"].mean_slice_dice)


def test_lesions_areas_and_outlines_are_as_computed_by_hand(rows: list[Row]) -> None:
    summary = summarise(evaluate(FakeEngine(), rows))
    # Two lesions, both touched; one false one, on the third of four slices.
    assert (summary.lesion_sensitivity, summary.true_lesions, summary.false_lesions_per_slice) == (1.0, 2, 0.25)
    # In rows of 20 pixels, called less drawn: 4 - 6, 4 - 2, 1 - 0, 0 - 0.
    assert summary.area_bias_px == pytest.approx(20 * (-2 + 2 + 1) / 4)
    # Both outlines lie within two rows of each other.
    assert (summary.surface_dice, summary.hd95_slices) == (1.0, 2)
    assert summary.hd95_px == pytest.approx(2.0)
    pixels = 4 * SIZE * SIZE
    assert summary.lesion_accuracy == pytest.approx(1 - 20 * (2 + 2 + 1) / pixels)
    assert summary.lesion_specificity == pytest.approx(1 - 20 * (2 + 1) / (pixels - 20 * 8))


def test_slices_with_and_without_lesion_are_told_apart(rows: list[Row]) -> None:
    # The healthy slice with a called row looks exactly like the others: two ties and two in order.
    assert summarise(evaluate(FakeEngine(), rows)).finding_auc == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


def test_pixels_near_lesions_are_counted_apart(rows: list[Row]) -> None:
    found = evaluate(Hesitant(), rows)
    for result in found:
        assert result.histogram.negatives + result.histogram.positives == SIZE * SIZE
        assert result.near.positives == result.histogram.positives
        assert result.near.negatives < result.histogram.negatives
    assert found[3].near.negatives == 0


def test_what_was_taken_away_says_nothing_about_calibration(rows: list[Row]) -> None:
    (result,) = evaluate(Hesitant(), rows[:1])
    # Lesion in 6 rows of 20 columns; the lung and one pixel around it are 21 rows and columns less the corner, and
    # only pixels at most 10 away from the lesion count.
    away = np.hypot(*np.maximum(np.indices((21, 21)) - np.array([5, 19])[:, np.newaxis, np.newaxis], 0.0))
    assert result.near.negatives == np.count_nonzero(away <= 10) - 6 * 20
    assert result.near.counts[:, 0].sum() == 0


def test_flips_are_read_where_they_are_asked_for(rows: list[Row]) -> None:
    assert all(math.isnan(result.disagreement) for result in evaluate(FakeEngine(), rows))
    # A network that looks at each pixel alone does not care for flips.
    assert all(result.disagreement == 0.0 for result in evaluate(FakeEngine(), rows, flips=True))


def test_what_is_called_far_from_the_lung_is_not_called(rows: list[Row]) -> None:
    class Everywhere(FakeEngine):
        """Calls lesion in the lower right quarter, which is beyond the lung but for 4 rows and columns."""

        def predict(self, batch: FloatArray) -> FloatArray:
            answer = super().predict(batch)
            answer[:, SIZE // 2 :, SIZE // 2 :, 0] = 1.0
            return answer

    # The lung and one pixel around it: 5 x 5 pixels less the corner.
    assert [result.called_px for result in evaluate(Everywhere(), rows[3:])] == [24]


def test_with_quality_the_mirror_image_counts_too(rows: list[Row]) -> None:
    class RightEngine(LesionEngine):
        """Sees lesion in the right half of what it is given alone."""

        def predict(self, batch: FloatArray) -> FloatArray:
            answer = super().predict(batch)
            answer[:, :, : SIZE // 2] = 0.0
            return answer

    # The lesions reach from the left edge to the twentieth column.
    assert [result.called_px for result in evaluate(RightEngine(), rows[:1])] == [4 * 4]
    # The mirror image shows the rest, but only half of the readings see each pixel.
    half = np.nextafter(np.float32(0.5), np.float32(1.0))
    assert [result.called_px for result in evaluate(RightEngine(), rows[:1], quality=True)] == [4 * 20]
    assert [result.called_px for result in evaluate(RightEngine(), rows[:1], threshold=half, quality=True)] == [0]


def test_a_network_without_lung_channel_has_no_lung_figures(rows: list[Row]) -> None:
    summary = summarise(evaluate(LesionEngine(), rows))
    assert summary.lesion_dice == pytest.approx(12 / 17)
    assert summary.lung_slices == 0
    assert math.isnan(summary.lung_dice)
    assert math.isnan(summary.clean_share)


def test_the_threshold_is_heeded(rows: list[Row]) -> None:
    class Unsure(FakeEngine):
        """Is never surer than 0.6."""

        def predict(self, batch: FloatArray) -> FloatArray:
            return super().predict(batch) * np.float32(0.6)

    assert summarise(evaluate(Unsure(), rows)).lesion_recall == pytest.approx(6 / 8)
    assert summarise(evaluate(Unsure(), rows, threshold=0.7)).lesion_recall == 0.0


def test_figures_are_taken_at_the_height_and_width_of_the_slice(tmp_path: Path) -> None:
    shape = (48, 96)
    marked = np.zeros(shape, np.uint8)
    marked[12:24, 6:36] = 255
    wide = line(tmp_path, "one", "a1", called=0, lesion=0, lung=None)
    for name in ("one", "one_m"):
        write_png(tmp_path / f"{name}.png", marked)
    rows = read_manifest(write_manifest(tmp_path / "index.csv", [wide]))
    (result,) = evaluate(FakeEngine(), rows)
    assert result.lesion_px == 12 * 30
    # A third of the size divides every side: nothing is lost on the way there and back but along the edge.
    assert result.lesion.dice > 0.85


@pytest.mark.parametrize("threshold", [0.0, 1.0, 50.0, math.nan])
def test_it_refuses_a_threshold_out_of_range(threshold: float, rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0 and below 1"):
        evaluate(FakeEngine(), rows, threshold=threshold)


@pytest.mark.parametrize("kind", ["m", "l"])
def test_it_refuses_a_mask_of_which_nobody_knows(kind: str, rows: list[Row], tmp_path: Path) -> None:
    doubtful = mask(6, 20)
    doubtful[20, 20] = UNKNOWN
    write_png(tmp_path / f"one_{kind}.png", doubtful)
    with pytest.raises(ValueError, match=f"one_{kind}.png has pixels of 128.*masks that are drawn"):
        evaluate(FakeEngine(), rows)


def test_it_refuses_to_evaluate_nothing() -> None:
    with pytest.raises(ValueError, match="rows is empty"):
        evaluate(FakeEngine(), [])
