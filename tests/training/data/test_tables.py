from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from training.data.tables import Condition, parse_condition, read_table, write_table


def test_a_condition_is_a_column_and_its_value() -> None:
    assert parse_condition("label=non-covid") == Condition("label", "non-covid")
    assert parse_condition("note=a=b").holds({"note": "a=b"})
    assert not parse_condition("note=").holds({"note": "a"})
    for text in ("label", "=3"):
        with pytest.raises(argparse.ArgumentTypeError, match="must be COLUMN=VALUE"):
            parse_condition(text)


def test_a_table_that_was_written_is_read_again(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", ("name", "slice"), [{"name": "a, b", "slice": 3}, {"name": "c"}])
    lines = read_table(tmp_path / "t.csv", ("slice",))
    assert lines == [{"name": "a, b", "slice": "3"}, {"name": "c", "slice": ""}]


@pytest.mark.parametrize("text", ["", "name\n", "name\na\n"])
def test_a_column_that_is_missing_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=r"t\.csv lacks the columns slice, split"):
        read_table(tmp_path / "t.csv", ("slice", "split"))
