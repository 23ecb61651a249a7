from __future__ import annotations

from typing import Any

from training.report.lineage import data_table, training_tables

STAGE = {"size": 64, "epochs": 3, "batch_size": 8, "learning_rate": 3e-4}
FOUND = {"stage": "stage1-64", "epochs": 2, "best_epoch": 1, "best_validation_lesion_dice_at_this_size": 0.81239}
FIRST = {"config": {"stages": [STAGE], "seed": 1}, "further_slices": [], "epochs": [FOUND]}
SECOND = {
    "config": {
        "stages": [STAGE | {"size": 96}],
        "seed": 2,
        "start_from": "runs/first/best.weights.h5",
        "slices_per_epoch": 2000,
        "augmentation": {"haze": 0.25, "graft": 0.0},
        "extra": [{"manifest": "runs/labels/index.csv", "share": 0.125}],
    },
    "further_slices": [
        {
            "manifest": "runs/labels/index.csv",
            "sources": ["web"],
            "patients_or_series": 3,
            "slices": 40,
            "labels": {"made_by": "training.pseudo", "manifest": "pictures/index.csv"},
        }
    ],
    "epochs": [FOUND],
}
SOUP = {"config": {"soup": {"runs/first/best.weights.h5": 1.0, "b.h5": 2.5}}, "further_slices": [], "epochs": []}


def tell(*runs: dict[str, Any]) -> list[str]:
    return training_tables({"training": runs}).splitlines()


def test_each_split_has_its_slices_and_patients() -> None:
    data = {"patients": {"train": ["p1", "p2"], "val": ["p3"]}, "slices": {"train": 20, "val": 5}, "manifest": "i.csv"}
    lines = data_table({"data": data}).splitlines()
    assert lines[0] == "| Split of `i.csv` | Slices | Patients |"
    assert lines[2:] == ["| train | 20 | 2: p1, p2 |", "| val | 5 | 1: p3 |"]


def test_each_stage_has_a_row_under_the_number_of_its_run() -> None:
    lines = tell(FIRST, SECOND)
    assert lines[2] == "| 1 | 64×64 | 2 | all | 8 | 0.0003 | 1 | 0.812 |"
    assert lines[3] == "| 2 | 96×96 | 2 | 2000 | 8 | 0.0003 | 1 | 0.812 |"


def test_each_run_tells_where_it_began_and_what_it_learned_from() -> None:
    lines = tell(FIRST, SECOND)
    assert lines[-2] == "1. Began from random weights, seed 1. Augmentation: the default. Further slices: none."
    assert lines[-1] == (
        "2. Began from `runs/first/best.weights.h5`, seed 2. Augmentation: haze 0.25, graft 0. Further slices: 12.5 % "
        "of an epoch from 40 slices of 3 patients or series (web), by `training.pseudo` from `pictures/index.csv`."
    )


def test_a_soup_tells_what_went_in() -> None:
    assert tell(FIRST, SOUP)[-1] == "2. The mean of weights: 1 of `runs/first/best.weights.h5`; 2.5 of `b.h5`."
