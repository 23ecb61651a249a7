from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.convert.pairing import Patient, draw_patients, pair, read_patients


def test_pairs_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for folder in ("scans", "masks"):
        (tmp_path / folder).mkdir()
        for stem in ("f2", "f1"):
            (tmp_path / folder / f"{stem}.PNG").touch()
    scans = pair(tmp_path / "scans", tmp_path / "masks", suffixes=(".png",))
    assert [scan.stem for scan in scans] == ["f1", "f2"]
    assert scans[0].mask == tmp_path / "masks" / "f1.PNG"
    assert scans[0].lung is None


def test_the_drawn_split_is_reproducible_and_by_patient() -> None:
    stems = [f"p{number}" for number in range(10)]
    drawn = [draw_patients(stems, validation_share=0.3, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert sum(patient.split == "val" for patient in drawn[0].values()) == 3
    assert [patient.name for patient in drawn[0].values()] == stems


def test_a_small_share_still_validates_on_one_patient() -> None:
    drawn = draw_patients(["a", "b"], validation_share=0.1, rng=np.random.default_rng(0))
    assert sorted(patient.split for patient in drawn.values()) == ["train", "val"]


@pytest.mark.parametrize(
    ("share", "sentence"), [(1.0, "at least 0 and below 1"), (-0.1, "got -0.1"), (0.9, "none to train on")]
)
def test_it_refuses_a_share_that_leaves_nothing(share: float, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        draw_patients(["a", "b"], validation_share=share, rng=np.random.default_rng(0))


def test_patients_are_read_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("patient,stem,split\njo,a,val\nann,b,train\njo,c,val\n")
    assert read_patients(table, ["a", "b", "c"]) == {
        "a": Patient("jo", "val"),
        "b": Patient("ann", "train"),
        "c": Patient("jo", "val"),
    }


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("stem,patient\na,jo", "lacks the columns split"),
        ("stem,patient,split\na,jo,train", "and the scans differ in: b. Each scan needs one row"),
        ("stem,patient,split\na,jo,train\nb,jo,train\nd,x,val", "differ in: d"),
        ("stem,patient,split\na,jo,train\na,jo,train\nb,x,val", "names 'a' twice"),
        ("stem,patient,split\na,jo,test\nb,x,val", "split must be train or val, got 'test' for jo"),
        ("stem,patient,split\na,jo,train\nb,jo,val", "patient jo is in train and in val"),
    ],
)
def test_it_refuses_a_wrong_table_of_patients(lines: str, sentence: str, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(lines + "\n")
    with pytest.raises(ValueError, match=sentence):
        read_patients(table, ["a", "b"])
