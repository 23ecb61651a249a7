"""Batches on this machine."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from model.__main__ import main
from model.batch.place import DRAFTS
from model.batch.rows import SCHEMA
from model.card import SHIPPED_WEIGHTS
from model.phantom import phantom_png
from tests.batch.mixed import BROKEN, COUNT, PICTURES, SERIES_COUNT, VOLUMES, needs_scans, write_mixed
from tests.batch.started import finish, row_files, rows_in, start, wait_for_rows, without_time
from tests.webapp.scans import nifti


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three studies, of which one cannot be read."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "ill.png").write_bytes(phantom_png("many"))
    (folder / "bad.png").write_text("no picture")
    (folder / "scan.nii").write_bytes(nifti("none", "one", "none"))
    return folder


def batch(*arguments: object) -> int:
    return main(["batch", *map(str, arguments)])


@needs_scans
def test_two_hundred_studies_killed_twice_are_each_there_once(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    write_mixed(scans)
    before: dict[str, int] = {}
    for count in (COUNT // 4, COUNT // 2):
        process = start(scans, "--out", out)
        wait_for_rows(out, count, process)
        process.kill()
        finish(process)
        assert not (out / "results.parquet").exists()
        done = row_files(out)
        assert before.items() <= done.items()
        before = done
    process = start(scans, "--out", out)
    said = finish(process)
    assert process.returncode == 1, said
    rows = rows_in(out)
    assert len({row["study"] for row in rows}) == len(rows) == COUNT
    kinds = [row["kind"] for row in rows if "broken" not in row["path"]]
    assert [kinds.count(kind) for kind in ("picture", "volume", "series")] == [PICTURES, VOLUMES, SERIES_COUNT]
    assert all(row["slice_count"] == 3 for row in rows if row["kind"] != "picture" and not row["error"])
    failed = [row for row in rows if row["error"]]
    assert [row["path"].startswith("broken/") for row in failed] == [True] * BROKEN
    # None that was done before was read again.
    assert before.items() <= row_files(out).items()
    assert f"{COUNT} studies, {BROKEN} of them failed; 1 other file left alone" in said


def test_a_row_says_what_the_single_command_says(scans: Path, tmp_path: Path) -> None:
    assert batch(scans, "--out", tmp_path / "out", "--masks", "--threshold", "0.4") == 1
    bad, ill, scan = rows_in(tmp_path / "out")
    assert (bad["kind"], bad["error_kind"], bad["lesion_count"]) == ("picture", "NotAnImage", None)
    assert (bad["threshold"], bad["model_sha256"]) == (0.4, ill["model_sha256"])
    assert "This file is not a picture" in bad["error"]
    mask = np.asarray(Image.open(tmp_path / "out" / "studies" / ill["study"] / "mask.png"))
    assert ill["lesion_area_px"] == np.count_nonzero(mask) > 0
    assert (ill["path"], ill["threshold"], ill["files"], ill["error"]) == ("ill.png", 0.4, 1, None)
    assert (scan["slice_count"], scan["lesion_ml"] > 0.0) == (3, True)
    assert {file.name for file in (tmp_path / "out" / "studies" / scan["study"]).iterdir()} == {"mask.nii.gz"}
    assert not (tmp_path / "out" / "studies" / bad["study"]).exists()
    assert main(["segment", str(scans / "scan.nii"), "--out", str(tmp_path / "one"), "--threshold", "0.4"]) == 0
    told = (tmp_path / "one" / "volumes.csv").read_text().splitlines()
    alone = dict(zip(told[0].split(","), told[1].split(","), strict=False))
    assert float(alone["lesion_ml"]) == scan["lesion_ml"]
    assert alone["lesion_voxels"] == str(scan["lesion_voxels"])


def test_what_is_done_is_not_read_again_until_something_changes(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(scans, "--out", out) == 1
    first = row_files(out)
    assert batch(scans, "--out", out) == 1
    assert row_files(out) == first
    (scans / "ill.png").write_bytes(phantom_png("one"))
    (scans / "scan.nii").unlink()
    assert batch(scans, "--out", out) == 1
    changed = {name for name, written in row_files(out).items() if written != first[name]}
    assert [name.split("-")[0] for name in changed] == ["ill"]
    # The row of what is gone stays, but is told no more.
    assert [row["path"] for row in rows_in(out)] == ["bad.png", "ill.png"]
    second = row_files(out)
    assert batch(scans, "--out", out, "--threshold", "0.3") == 1
    assert all(row_files(out)[f"{row['study']}.json"] > second[f"{row['study']}.json"] for row in rows_in(out))


def test_what_failed_is_read_again_where_that_is_asked_for(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(scans, "--out", out) == 1
    first = row_files(out)
    assert batch(scans, "--out", out, "--again") == 1
    assert {name.split("-")[0] for name, written in row_files(out).items() if written != first[name]} == {"bad"}


def test_shards_have_each_study_once_and_are_gathered_by_the_whole(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for number in range(8):
        (scans / f"{number}.png").write_text(f"no picture {number}")
    tables = []
    for number in (1, 2, 3):
        status = batch(scans, "--out", out, "--shard", f"{number}/3")
        tables.append(pq.read_table(out / f"results-{number}-of-3.parquet")["path"].to_pylist())
        # Which studies are in a part depends on where they lie.
        assert status == bool(tables[-1])
        assert (out / f"results-{number}-of-3.csv").exists()
    assert sorted(sum(tables, [])) == [f"{number}.png" for number in range(8)]
    written = row_files(out)
    assert batch(scans, "--out", out) == 1
    assert row_files(out) == written
    assert [row["path"] for row in rows_in(out)] == [f"{number}.png" for number in range(8)]


def test_a_shard_without_studies_is_no_failure(scans: Path, tmp_path: Path) -> None:
    (scans / "bad.png").unlink()
    statuses = [batch(scans, "--out", tmp_path / "out", "--shard", f"{number}/9") for number in range(1, 10)]
    assert statuses == [0] * 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_gathers_what_is_done(number: signal.Signals, tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for name in range(300):
        (scans / f"{name}.png").write_bytes(phantom_png("one"))
    process = start(scans, "--out", out)
    wait_for_rows(out, 3, process)
    process.send_signal(number)
    said = finish(process)
    assert process.returncode == 128 + number, said
    assert f"Ended by {number.name}" in said
    done = len(rows_in(out))
    assert 3 <= done < 300
    assert not list((out / DRAFTS).glob("*"))


def test_a_study_that_brings_its_process_down_is_a_row(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What every process of Python imports first, if it is there.
    hook = (
        "import sys\n"
        "if 'model.batch.reader_process' in ' '.join(sys.orig_argv):\n"
        "    import os, signal, model.batch.work as work\n"
        "    read = work.open_study\n"
        "    def fall(sources, folder):\n"
        "        if sources[0].name == 'ill.png':\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return read(sources, folder)\n"
        "    work.open_study = fall\n"
    )
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    assert batch(scans, "--out", tmp_path / "out") == 1
    errors = {row["path"]: row["error"] for row in rows_in(tmp_path / "out")}
    assert "SIGKILL, perhaps for want of memory" in errors["ill.png"]
    assert errors["scan.nii"] is None


def test_what_takes_too_long_is_a_row(scans: Path, tmp_path: Path) -> None:
    (scans / "long.nii").write_bytes(nifti(*["none"] * 60))
    assert batch(scans, "--out", tmp_path / "out", "--limit", "0.5", "--workers", "1") == 1
    errors = {row["path"]: row["error"] for row in rows_in(tmp_path / "out")}
    assert "took longer than 0.5 seconds" in errors["long.nii"]
    assert "not a picture" in errors["bad.png"]


def test_of_several_networks_all_rows_tell_the_same_model(scans: Path, tmp_path: Path) -> None:
    arguments = ("--out", tmp_path / "out", "--weights", SHIPPED_WEIGHTS, SHIPPED_WEIGHTS)
    assert main(["batch", str(scans), *map(str, arguments)]) == 1
    rows = rows_in(tmp_path / "out")
    assert len({(row["model_id"], row["model_sha256"]) for row in rows}) == 1
    assert rows[0]["model_id"] == f"{SHIPPED_WEIGHTS.stem}+{SHIPPED_WEIGHTS.stem}"


def test_the_tables_have_the_columns_that_are_promised(scans: Path, tmp_path: Path) -> None:
    batch(scans, "--out", tmp_path / "out")
    assert pq.read_schema(tmp_path / "out" / "results.parquet").equals(SCHEMA)
    assert len(SCHEMA.names) == len(set(SCHEMA.names))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none-there"], "none-there cannot be read: No such file or directory."),
        (["empty"], "There is no study in"),
        (["empty", "--weights", "none.xml"], "none.xml does not exist"),
        (["ftp://host/scans"], "'ftp://host/scans' is no address that can be used"),
    ],
)
def test_what_cannot_begin_says_why(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert batch(*arguments, "--out", "out") == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "told"),
    [("", "is no address"), ("file", "is a file"), ("scans", "is read already"), ("file/below", "cannot be written")],
)
def test_results_need_a_folder_of_their_own(
    out: str,
    told: str,
    scans: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert batch(scans, "--out", out) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--shard=0/3", "--shard=4/3", "--limit=0", "--workers=none", "--cluster=a/b", "--threshold=1"]
)
def test_options_that_mean_nothing_are_refused(option: str, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        batch(scans, "--out", tmp_path / "out", option)
    assert ended.value.code == 2
    assert not (tmp_path / "out").exists()


def test_two_runs_do_not_share_a_folder(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from model.batch.index import Index

    with Index(tmp_path / "out" / "index.sqlite"):
        assert batch(scans, "--out", tmp_path / "out") == 2
    assert "Another run writes to" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["index.sqlite", "rows"])
def test_what_is_damaged_is_made_anew(damage: str, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch(scans, "--out", out)
    rows = without_time(rows_in(out))
    for file in [out / damage] if damage == "index.sqlite" else out.glob("rows/*/*.json"):
        file.write_text("{ damaged")
    assert batch(scans, "--out", out) == 1
    assert without_time(rows_in(out)) == rows


def test_the_results_are_no_source(scans: Path) -> None:
    out = scans / "out"
    assert batch(scans, "--out", out, "--masks") == 1
    assert batch(scans, "--out", out, "--masks") == 1
    assert len(rows_in(out)) == 3
    shutil.rmtree(out)


def test_what_is_not_read_again_yet_is_in_no_table(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(scans, "--out", out) == 1
    assert len(rows_in(out)) == 3
    # With weights of another name nothing can be read, and nothing that was read by others may be told.
    (tmp_path / "other.h5").write_text("no weights")
    assert batch(scans, "--out", out, "--weights", tmp_path / "other.h5") == 2
    assert rows_in(out) == []
    assert batch(scans, "--out", out) == 1
    assert len(rows_in(out)) == 3


def test_half_written_files_of_yesterday_are_removed(scans: Path, tmp_path: Path) -> None:
    drafts = tmp_path / "out" / DRAFTS
    old, new = "0" * 32, "1" * 32
    for name in (old, new):
        (drafts / name).mkdir(parents=True)
    os.utime(drafts / old, (0, 0))
    batch(scans, "--out", tmp_path / "out")
    assert [draft.name for draft in drafts.iterdir()] == [new]
