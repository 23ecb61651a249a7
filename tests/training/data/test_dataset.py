from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.preprocess import preprocess, preprocess_mask
from tests.training.drawn import draw_sample, write_data, write_png
from training.data.dataset import Row, SliceBatches, encode, read_gray, read_manifest, read_sample
from training.data.mixture import Mixture
from training.data.sample import UNKNOWN, Sample

HEADER = "image,mask,lung,source,patient,slice,split"


def write(folder: Path, *lines: str) -> Path:
    manifest = folder / "index.csv"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def row(folder: Path, image: tuple[int, int], mask: tuple[int, int], lung: tuple[int, int] | None = None) -> Row:
    """A row whose pictures have these heights and widths."""
    files = {"image": image, "mask": mask} | ({"lung": lung} if lung else {})
    for name, shape in files.items():
        write_png(folder / f"{name}.png", np.zeros(shape, np.uint8))
    paths = [folder / f"{name}.png" for name in files]
    return Row(paths[0], paths[1], paths[2] if lung else None, "s", "p", 0, "train")


@pytest.fixture
def samples() -> list[Sample]:
    return [draw_sample(number, with_lung=number != 1) for number in range(5)]


def test_a_manifest_is_read(tmp_path: Path) -> None:
    rows = read_manifest(
        write(tmp_path, HEADER, "a/i.png,a/m.png,,there,p1,12,train", "b.png,c.png,d.png,here,p2,0,val")
    )
    assert rows[0] == Row(tmp_path / "a/i.png", tmp_path / "a/m.png", None, "there", "p1", 12, "train")
    assert rows[1].lung == tmp_path / "d.png"


def test_it_names_the_columns_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks the columns lung, split"):
        read_manifest(write(tmp_path, "image,mask,source,patient,slice"))


def test_it_refuses_an_empty_manifest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks the columns image"):
        read_manifest(write(tmp_path))


def test_it_refuses_a_patient_in_two_splits(tmp_path: Path) -> None:
    manifest = write(
        tmp_path, HEADER, "a.png,b.png,,s,p1,0,train", "c.png,d.png,,s,p2,0,val", "e.png,f.png,,s,p1,1,val"
    )
    with pytest.raises(ValueError, match="patient p1 is in split train and in val"):
        read_manifest(manifest)


def test_it_does_not_make_up_a_picture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name in ("absent.png", "text.png"):
        with pytest.raises(FileNotFoundError, match=name):
            read_gray(tmp_path / name)


@pytest.mark.parametrize(("mask", "lung"), [((8, 10), (10, 8)), ((10, 8), (8, 10))], ids=["lesion", "lung"])
def test_it_refuses_a_mask_of_another_shape(mask: tuple[int, int], lung: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"image.png: the mask is \(8, 10\), the slice \(10, 8\)"):
        read_sample(row(tmp_path, (10, 8), mask, lung))


def test_a_row_is_read_with_its_masks(tmp_path: Path) -> None:
    sample = read_sample(read_manifest(write_data(tmp_path))[3])
    expected = draw_sample(3)
    assert np.array_equal(sample.image, expected.image)
    assert np.array_equal(sample.lesion, expected.lesion)
    assert sample.lung is not None and expected.lung is not None
    assert np.array_equal(sample.lung, expected.lung)


def test_truth_is_lesion_lung_and_whether_they_are_known() -> None:
    sample = draw_sample(0)
    assert sample.lung is not None
    image, truth = encode(sample, 32)
    assert np.array_equal(image, preprocess(sample.image, size=32))
    assert np.array_equal(truth[..., :1], preprocess_mask(sample.lesion, size=32))
    assert np.array_equal(truth[..., 1:2], preprocess_mask(sample.lung, size=32))
    assert truth[..., 2:].min() == 1.0


def test_a_part_that_nobody_knows_is_neither_lesion_nor_known() -> None:
    sample = draw_sample(0)
    sample.lesion[:32] = UNKNOWN
    _, truth = encode(sample, 32)
    assert truth[:16, :, 0].max() == 0.0
    assert truth[:16, :, 2].max() == 0.0
    assert truth[16:, :, 2].min() == 1.0
    assert truth[..., 3].min() == 1.0


def test_an_unknown_lung_is_zeros() -> None:
    _, truth = encode(draw_sample(0, with_lung=False), 32)
    assert truth.shape == (32, 32, 4)
    assert truth[..., 0].max() == 1.0
    assert truth[..., 2].min() == 1.0
    assert truth[..., 1].max() == truth[..., 3].max() == 0.0


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_have_the_shapes_that_the_network_takes(seed: int | None, samples: list[Sample]) -> None:
    image, truth = SliceBatches(samples, size=32, batch_size=2, seed=seed)[0]
    assert (image.shape, truth.shape) == ((2, 32, 32, 1), (2, 32, 32, 4))
    assert image.dtype == truth.dtype == np.float32
    assert 0.0 <= image.min() and image.max() <= 1.0
    assert set(np.unique(truth)) == {0.0, 1.0}


def test_validation_takes_every_slice_once_in_order(samples: list[Sample]) -> None:
    batches = SliceBatches(samples, size=32, batch_size=2)
    assert len(batches) == 3
    images = np.concatenate([batches[index][0] for index in range(3)])
    assert np.array_equal(images, np.stack([encode(sample, 32)[0] for sample in samples]))


def test_validation_does_not_change_from_epoch_to_epoch(samples: list[Sample]) -> None:
    batches = SliceBatches(samples, size=32, batch_size=2)
    before = batches[1][0]
    batches.on_epoch_end()
    assert np.array_equal(batches[1][0], before)


def test_training_leaves_out_a_small_last_batch(samples: list[Sample]) -> None:
    assert len(SliceBatches(samples, size=32, batch_size=2, seed=0)) == 2


def test_training_on_less_than_a_batch_has_one(samples: list[Sample]) -> None:
    batches = SliceBatches(samples, size=32, batch_size=8, seed=0)
    assert len(batches) == 1
    assert len(batches[0][0]) == 5


def test_the_same_epoch_gives_the_same_batches(samples: list[Sample]) -> None:
    first = SliceBatches(samples, size=32, batch_size=2, seed=1, epoch=2)
    again = SliceBatches(samples, size=32, batch_size=2, seed=1)
    again.on_epoch_end()
    again.on_epoch_end()
    for index in range(len(first)):
        for one, other in zip(first[index], again[index], strict=True):
            assert np.array_equal(one, other)


def test_the_next_epoch_has_another_order(samples: list[Sample]) -> None:
    batches = SliceBatches(samples, size=32, batch_size=2, seed=1)
    before = list(batches._order())
    batches.on_epoch_end()
    assert list(batches._order()) != before


def test_the_next_epoch_has_other_augmentation() -> None:
    batches = SliceBatches([draw_sample(0)], size=32, batch_size=1, seed=1)
    before = batches[0][0]
    batches.on_epoch_end()
    assert not np.array_equal(batches[0][0], before)


def test_slices_of_an_epoch_are_augmented_each_in_its_own_way() -> None:
    first, second = SliceBatches([draw_sample(0)] * 2, size=32, batch_size=2, seed=1)[0][0]
    assert not np.array_equal(first, second)


def test_another_seed_gives_other_batches(samples: list[Sample]) -> None:
    one, other = (SliceBatches(samples, size=32, batch_size=2, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one[0][0], other[0][0])


def test_an_epoch_takes_no_slice_twice() -> None:
    batches = SliceBatches([draw_sample(number) for number in range(8)], size=32, batch_size=4, seed=0)
    assert sorted(batches._order()) == list(range(8))
    assert sorted(batches._order()) != list(batches._order())


def test_a_mixture_says_how_many_slices_of_each_part_come() -> None:
    samples = [draw_sample(number) for number in range(6)]
    batches = SliceBatches(samples, size=32, batch_size=2, seed=0, mixture=Mixture((4, 2), (2, 4)))
    assert len(batches) == 3
    order = batches._order()
    assert sum(order < 4) == 2
    assert sorted(order[order >= 4]) == [4, 4, 5, 5]
    assert [len(batches[index][0]) for index in range(3)] == [2, 2, 2]


def test_lesions_are_grafted_from_labelled_slices_to_labelled_slices() -> None:
    samples = [draw_sample(number) for number in range(6)]
    batches = SliceBatches(samples, size=32, batch_size=2, seed=0, mixture=Mixture((1, 5), (1, 5)))
    rng = np.random.default_rng(0)
    assert batches._donor(0, rng) is samples[0]
    assert batches._donor(1, rng) is None
