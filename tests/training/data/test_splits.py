from __future__ import annotations

from pathlib import Path

import pytest

from training.data.dataset import Row
from training.data.splits import leave_out_patients, split_rows


def row(patient: str, source: str, split: str = "train") -> Row:
    return Row(Path(patient), Path(patient), None, source, patient, 0, split)


ROWS = [row("b1", "b"), row("a2", "a"), row("a1", "a"), row("a3", "a"), row("a9", "a", "val"), row("b1", "b")]


def names(rows: list[Row]) -> list[str]:
    return [row.patient for row in rows]


def test_the_manifest_decides_unless_something_is_held_out() -> None:
    training, validation = split_rows(ROWS)
    assert names(training) == ["b1", "a2", "a1", "a3", "b1"]
    assert names(validation) == ["a9"]


def test_a_source_is_held_out_and_the_validation_patients_rest() -> None:
    training, validation = split_rows(ROWS, "source=a")
    assert names(training) == ["b1", "b1"]
    assert names(validation) == ["a2", "a1", "a3"]


@pytest.mark.parametrize(("fold", "held"), [(1, ["a1", "b1"]), (2, ["a2"]), (3, ["a3"])])
def test_folds_are_of_patients_by_source_and_name(fold: int, held: list[str]) -> None:
    training, validation = split_rows(ROWS, f"fold={fold}/3")
    assert sorted(set(names(validation))) == held
    assert not set(names(training)) & {*held, "a9"}
    assert len(training) + len(validation) == 5


@pytest.mark.parametrize("hold_out", ["a", "source=", "fold=0/3", "fold=4/3", "fold=1"])
def test_what_is_held_out_must_be_a_source_or_a_fold(hold_out: str) -> None:
    with pytest.raises(ValueError, match="hold_out must be"):
        split_rows(ROWS, hold_out)


@pytest.mark.parametrize(("hold_out", "purpose"), [("source=c", "validate"), ("fold=1/1", "train"), ("fold=4/4", None)])
def test_both_sides_need_slices(hold_out: str, purpose: str | None) -> None:
    if purpose is None:
        assert names(split_rows(ROWS, hold_out)[1]) == ["b1", "b1"]
        return
    with pytest.raises(ValueError, match=f"no slice is left to {purpose}"):
        split_rows(ROWS, hold_out)


def test_further_slices_of_patients_who_validate_are_left_out() -> None:
    further = [row("a9", "a"), row("a9", "b"), row("a2", "a"), row("b1", "b")]
    validation = [row("a9", "a", "val"), row("a2", "a")]
    # The picture of the second is that of a validation slice, whatever its source is called.
    assert leave_out_patients(further, validation) == [row("b1", "b")]


def test_further_slices_are_for_training_only() -> None:
    with pytest.raises(ValueError, match="further slices are for training only"):
        leave_out_patients([row("a9", "a", "val")], ROWS)


def test_further_slices_must_not_all_be_left_out() -> None:
    with pytest.raises(ValueError, match="all 1 further slices are of patients who validate"):
        leave_out_patients([row("a9", "a")], [row("a9", "a", "val")])
