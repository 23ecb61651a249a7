"""The shipped weights on scans of patients that they were not trained on."""

from __future__ import annotations

import json

import pytest

from model.card import SHIPPED_WEIGHTS, file_sha256
from model.decode.ct import CtSlice
from model.engine import Engine
from model.segment import segment_slice
from training.data.dataset import MANIFEST, Row, read_manifest, read_sample
from training.measures.metrics import NO_PIXELS, overlap

CARD = json.loads(SHIPPED_WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))

LESION_FLOOR = 0.78
LUNG_FLOOR = 0.95

needs_scans = pytest.mark.skipif(not MANIFEST.exists(), reason=f"the scans are not here: {MANIFEST} does not exist")


@pytest.fixture(scope="module")
def slices() -> list[Row]:
    """Every fourth slice of the validation patients."""
    return [row for row in read_manifest(MANIFEST) if row.split == "val"][::4]


@needs_scans
def test_lesion_and_lung_dice_are_above_their_floors(engine: Engine, slices: list[Row]) -> None:
    lesions, lungs = NO_PIXELS, NO_PIXELS
    for row in slices:
        sample = read_sample(row)
        segmentation = segment_slice(CtSlice(sample.image, (0.0, 255.0)), engine)
        lesions += overlap(sample.lesion > 0, segmentation.mask)
        if sample.lung is not None:
            assert segmentation.lung_probability is not None
            lungs += overlap(sample.lung > 0, segmentation.lung_probability >= 0.5)
    assert lesions.dice >= LESION_FLOOR
    assert lungs.dice >= LUNG_FLOOR


@needs_scans
def test_the_card_names_the_patients_of_each_split(slices: list[Row]) -> None:
    rows = read_manifest(MANIFEST)
    for split in ("train", "val"):
        assert CARD["data"]["patients"][split] == sorted({row.patient for row in rows if row.split == split})
    assert not set(CARD["data"]["patients"]["train"]) & {row.patient for row in slices}


def test_the_card_states_where_the_weights_come_from() -> None:
    assert CARD["licence"] == "CC BY-NC-SA 4.0"
    assert all(stage["history"] for run in CARD["training"] for stage in run["epochs"])
    assert CARD["training"][-1]["config"]["stages"][-1]["size"] == 448
    assert CARD["temperature"] > 1.0
    assert CARD["validation"]["overall"]["lesion_dice"] >= LESION_FLOOR
    assert CARD["validation"]["overall"]["lung_dice"] >= LUNG_FLOOR
    assert set(CARD["validation"]["patients"]) == set(CARD["data"]["patients"]["val"])


def test_no_shipped_file_is_larger_than_50_mb() -> None:
    for file in SHIPPED_WEIGHTS.parent.iterdir():
        assert file.stat().st_size <= 50_000_000, file.name


def test_the_cards_list_every_shipped_file() -> None:
    files = list(SHIPPED_WEIGHTS.parent.iterdir())
    cards = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.suffix == ".json"]
    listed = {name: sha256 for card in cards for name, sha256 in card["sha256"].items()}
    assert listed == {file.name: file_sha256(file) for file in files if file.suffix != ".json"}
