"""The page of a run."""

from __future__ import annotations

from benchmarks.table import as_markdown
from tests.benchmarks.made import run


def test_every_target_has_its_row() -> None:
    page = as_markdown(run())
    assert "| network, one slice, against Keras `predict` on the same weights | ≥ 5.0× | 6.0× | yes |" in page
    assert "| ≤ 20.0 ms | 16.0 ms | yes |" in page
    assert "| ≤ 0.0050 | 0.0025 | yes |" in page


def test_what_is_missed_stands_out() -> None:
    figures = run()
    figures["ratios"]["network"], figures["targets"]["network"]["met"] = 4.0, False
    assert "| ≥ 5.0× | 4.0× | **no** |" in as_markdown(figures)


def test_what_is_absent_says_why() -> None:
    page = as_markdown(run())
    assert "| ONNX Runtime | – | it is not installed | 0 | – |" in page
    assert "| 1,000 | not measured: it takes too long | – | – |" in page


def test_tables_have_as_many_cells_in_each_row() -> None:
    tables: list[list[str]] = [[]]
    for line in as_markdown(run()).splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    counts = [{row.count("|") for row in rows} for rows in tables if rows]
    assert len(counts) == 12
    assert all(len(count) == 1 for count in counts)


def test_a_volume_is_told_with_and_without_overlays() -> None:
    page = as_markdown(run())
    assert "9.0 s in the median of 3" in page
    assert "30.0 ms a slice" in page
    assert "12.0 s.\n" in page


def test_small_shares_of_a_profile_are_added_up() -> None:
    page = as_markdown(run())
    assert "| `overlay` | 40.0 |" in page
    assert "`steps`" not in page
    assert "All others together: 0.5 %." in page


def test_without_the_scans_it_says_why_nothing_is_told_of_accuracy() -> None:
    figures = run()
    figures["parts"]["accuracy"] = {"lost_pooled": None, "lost_worst_patient": None, "absent": "the scans are not here"}
    assert "Not measured: the scans are not here." in as_markdown(figures)


def test_a_quick_run_and_a_busy_machine_are_owned_up_to() -> None:
    figures = run()
    assert "mean nothing" not in as_markdown(figures)
    assert "not quiet" not in as_markdown(figures)
    figures["quick"], figures["machine"]["others_cores"] = True, 0.3
    assert "mean nothing" in as_markdown(figures)
    assert "others had 0.3 of its cores" in as_markdown(figures)
