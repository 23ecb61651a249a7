"""However a run, or a process of one, comes to its end: what is done stays whole, and what is left over goes."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from model.__main__ import main
from model.batch.actor import Actor
from model.batch.index import Index
from model.batch.local_place import LocalPlace
from model.batch.place import DRAFTS, BatchError
from model.batch.reader import Died, Fatal, Reader
from model.batch.rows import path_of
from model.batch.scratch import PREFIX, Scratch
from model.batch.side_by_side import read_by
from model.batch.studies import Study
from model.batch.work import Order
from model.card import Identity
from model.phantom import phantom_png
from model.reading import How
from tests.batch.mixed import SERIES, needs_scans, write_series
from tests.batch.started import ROOT, finish, row_files, rows_in, start, wait_for_rows
from tests.webapp.scans import nifti

MODEL = Identity("a model", "its hash")
STUDY = Study("/scans", "picture", "a.png", ("a.png",), ("1",))


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "ill.png").write_bytes(phantom_png("many"))
    return tmp_path / "scans"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this test alone."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def hook(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str, process: str = "model.batch.reader_process"
) -> None:
    """Have each process of a kind do something first: what Python imports of itself, where it is there."""
    code = ["import sys", f"if {process!r} in sys.orig_argv:", *(f"    {line}" for line in lines)]
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("\n".join(code))
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")


def batch(*arguments: object) -> int:
    return main(["batch", *map(str, arguments)])


def test_masks_of_another_run_lie_beside_no_row(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    assert batch(scans, "--out", out, "--masks", "--threshold", "0.9") == 0
    (row,) = rows_in(out)
    mask = out / "studies" / row["study"] / "mask.png"
    strict = mask.read_bytes()
    with monkeypatch.context() as killed:
        hook(
            tmp_path / "hook",
            killed,
            "import os, model.batch.work as work",
            "work.write_row = lambda *given: os.kill(os.getpid(), 9)",
        )
        batch(scans, "--out", out, "--masks", "--threshold", "0.1")
    assert not mask.exists()
    assert batch(scans, "--out", out, "--masks", "--threshold", "0.9") == 0
    assert mask.read_bytes() == strict
    assert batch(scans, "--out", out, "--threshold", "0.9") == 0
    assert not mask.exists()


def test_masks_go_with_a_study_that_can_be_read_no_more(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(scans, "--out", out, "--masks") == 0
    (scans / "ill.png").write_text("no picture")
    assert batch(scans, "--out", out, "--masks") == 1
    assert list((out / "studies").iterdir()) == []


def test_a_process_that_cannot_start_ends_the_run(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(tmp_path / "hook", monkeypatch, "sys.modules['openvino'] = None")
    assert batch(scans, "--out", tmp_path / "out") == 2
    assert row_files(tmp_path / "out") == {}
    assert "Traceback" not in capsys.readouterr().err.split("could not be started")[-1]


def test_no_room_for_slices_is_a_row_that_is_tried_again(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scans / "scan.nii").write_bytes(nifti("none", "one", "none"))
    with monkeypatch.context() as full:
        hook(
            tmp_path / "hook",
            full,
            "import errno, model.volume.files as files",
            "def write(*given): raise files.StorageError('The slices cannot be kept: No space left on device.')",
            "files.SliceFiles.write = write",
        )
        assert batch(scans, "--out", tmp_path / "out") == 1
    errors = {row["path"]: row["error"] for row in rows_in(tmp_path / "out")}
    assert errors["ill.png"] is None
    assert "No space left on device. They lie in" in errors["scan.nii"]
    assert batch(scans, "--out", tmp_path / "out") == 0


def test_a_reader_that_is_ended_writes_no_row(tmp_path: Path) -> None:
    order = Order(str(tmp_path / "out"), How(), MODEL)
    reader = Reader(order, cores=1, seconds=9.0, scratch=tmp_path)
    reader.end()
    with pytest.raises(Fatal, match="The run has ended"):
        read_by(reader, STUDY, order)

    class Falling(Reader):
        def read(self, study: Study) -> dict[str, object]:
            self.end()
            raise Died("exit status 9")

    with pytest.raises(Fatal, match="The run has ended"):
        read_by(Falling(order, cores=1, seconds=9.0, scratch=tmp_path), STUDY, order)
    assert row_files(tmp_path / "out") == {}


def test_what_was_killed_leaves_nothing_for_long(scans: Path, tmp_path: Path, temporary: Path) -> None:
    for number in range(100):
        (scans / f"{number}.png").write_bytes(phantom_png("one"))
    process = start(scans, "--out", tmp_path / "out")
    wait_for_rows(tmp_path / "out", 2, process)
    readers = psutil.Process(process.pid).children(recursive=True)
    assert readers
    process.kill()
    process.wait()
    assert psutil.wait_procs(readers, timeout=30)[1] == []
    finish(process)
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 1
    with Scratch() as held:
        assert list(temporary.glob(f"{PREFIX}*")) == [held.folder]
        # One that is held is left alone.
        Scratch().close()
        assert held.folder.is_dir()
    assert list(temporary.iterdir()) == []


def test_a_run_leaves_nothing(scans: Path, tmp_path: Path, temporary: Path) -> None:
    (scans / "long.nii").write_bytes(nifti(*["none"] * 60))
    assert batch(scans, "--out", tmp_path / "out", "--limit", "0.5") == 1
    assert list(temporary.iterdir()) == []


def test_told_to_end_while_it_looks_it_does_not_look_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scans").mkdir()
    for number in range(2000):
        (tmp_path / "scans" / f"{number}").write_bytes(b"a")
    slowly = ("def slowly(*given):", "    time.sleep(0.2)", "    return looked(*given)")
    looks = ("import time, model.batch.find as find", "looked = find.read_header", *slowly, "find.read_header = slowly")
    hook(tmp_path / "hook", monkeypatch, *looks, process="batch")
    process = start(tmp_path / "scans", "--out", tmp_path / "out")
    while not (tmp_path / "out" / "index.sqlite").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    # To the end it would take 100 seconds.
    process.wait(30)
    assert process.returncode == 128 + signal.SIGTERM
    finish(process)


@pytest.mark.parametrize("damage", ["pages", "full"])
def test_an_index_that_cannot_be_used_is_made_anew_or_told(
    damage: str, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for number in range(300):
        (scans / f"{number}").write_bytes(b"a")
    assert batch(scans, "--out", out) == 0
    if damage == "pages":
        content = (out / "index.sqlite").read_bytes()
        (out / "index.sqlite").write_bytes(content[:4096] + os.urandom(len(content) - 4096))
        assert batch(scans, "--out", out) == 0
    else:
        connect = sqlite3.connect

        def small(file: Path) -> sqlite3.Connection:
            opened = connect(file)
            opened.execute("PRAGMA max_page_count = 1")
            return opened

        monkeypatch.setattr(sqlite3, "connect", small)
        (scans / ("n" * 200)).touch()
        for number in range(2000):
            (scans / f"more{number}").touch()
        assert batch(scans, "--out", out) == 2
        assert "database or disk is full. Make room, or delete it." in capsys.readouterr().err


def test_a_row_that_holds_something_else_is_made_anew(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch(scans, "--out", out)
    (row,) = rows_in(out)
    file = out / path_of(row["study"])
    file.write_text(json.dumps(json.loads(file.read_text()) | {"lesion_count": "many"}))
    assert batch(scans, "--out", out) == 0
    assert rows_in(out)[0]["lesion_count"] == row["lesion_count"]


@needs_scans
def test_a_series_of_which_a_file_is_cut_short_is_refused_as_by_the_single_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(SERIES[:3], tmp_path / "scans", 1)
    (tmp_path / "scans" / "IM0").write_bytes((tmp_path / "scans" / "IM0").read_bytes()[:400])
    assert batch(tmp_path / "scans", "--out", tmp_path / "out") == 1
    (row,) = rows_in(tmp_path / "out")
    assert main(["segment", str(tmp_path / "scans"), "--out", str(tmp_path / "one")]) == 1
    assert "1 of 3 DICOM files are damaged" in row["error"]
    assert row["error"] in capsys.readouterr().err


@needs_scans
def test_what_decodes_ends_with_what_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(SERIES[:3], tmp_path / "scans", 1)
    (tmp_path / "hook").mkdir()
    hanging = "import sys\nif any('decoder_process' in each for each in sys.orig_argv):\n    import time\n    "
    (tmp_path / "hook" / "sitecustomize.py").write_text(f"{hanging}time.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    assert batch(tmp_path / "scans", "--out", tmp_path / "out", "--limit", "1") == 1
    (row,) = rows_in(tmp_path / "out")
    assert "took longer than 1 seconds" in row["error"]
    # Each of two attempts.
    assert row["seconds"] >= 2.0
    told = [process.info for process in psutil.process_iter(["cmdline", "environ"])]
    # Other tests, which work at the same time, have processes that decode as well.
    ours = [each["cmdline"] or [] for each in told if str(tmp_path) in (each["environ"] or {}).get("PYTHONPATH", "")]
    left = [line for line in ours if any("decoder_process" in word for word in line)]
    assert left == []


def test_several_may_write_the_same_folder(tmp_path: Path) -> None:
    place, failed = LocalPlace(tmp_path / "out"), []
    for name in "abcdef":
        (tmp_path / name).mkdir()
        (tmp_path / name / "mask.png").write_text(name)

    def put(name: str) -> None:
        try:
            for _ in range(100):
                place.put(tmp_path / name, "studies/x")
        except OSError as exc:
            failed.append(exc)

    threads = [threading.Thread(target=put, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert (tmp_path / "out" / "studies" / "x" / "mask.png").read_text() in set("abcdef")
    assert list((tmp_path / "out" / DRAFTS).iterdir()) == []


def test_a_folder_that_cannot_be_removed_does_not_stop_what_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mask").mkdir()
    (tmp_path / "mask" / "mask.png").touch()
    (tmp_path / "out" / "studies" / "x" / "of another user").mkdir(parents=True)
    place = LocalPlace(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *given, **how: None)
        place.put(tmp_path / "mask", "studies/x")
        (left,) = (tmp_path / "out" / DRAFTS).iterdir()
        os.utime(left, (0, 0))
        place.tidy()
    assert [file.name for file in (tmp_path / "out" / "studies" / "x").iterdir()] == ["mask.png"]
    place.tidy()
    assert not left.exists()


def test_where_a_folder_cannot_be_put_the_one_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = LocalPlace(tmp_path / "out")
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    place.put(tmp_path / "old", "studies/x")
    rename, targets = Path.replace, list[Path]()

    def full(draft: Path, target: Path) -> Path:
        targets.append(target)
        if len(targets) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(draft, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "replace", full)
        place.put(tmp_path / "new", "studies/x")
    assert [file.name for file in (tmp_path / "out" / "studies" / "x").iterdir()] == ["old"]
    assert list((tmp_path / "out" / DRAFTS).iterdir()) == []


def test_nothing_of_others_is_written_over_or_removed(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "paper"
    (out / "drafts").mkdir(parents=True)
    (out / "drafts" / "thesis.txt").touch()
    os.utime(out / "drafts" / "thesis.txt", (0, 0))
    (out / "results.csv").write_text("mine")
    assert batch(scans, "--out", out) == 2
    assert "holds results.csv, and not of a batch" in capsys.readouterr().err
    assert (out / "results.csv").read_text() == "mine"
    (out / "results.csv").rename(out / "other.csv")
    assert batch(scans, "--out", out) == 0
    assert (out / "drafts" / "thesis.txt").exists()


def test_parts_and_the_whole_do_not_write_at_once(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Index(out / "index-1-of-2.sqlite", is_shared=True):
        assert batch(scans, "--out", out) == 2
        assert batch(scans, "--out", out, "--shard", "1/2") == 2
        assert batch(scans, "--out", out, "--shard", "2/2") == 0
    assert batch(scans, "--out", out) == 0


@pytest.mark.parametrize("closed", ["2>&-", "2>&1 | head -c 1"])
def test_nobody_needs_to_listen(closed: str, scans: Path, tmp_path: Path) -> None:
    (scans / "bad.png").write_text("no picture")
    command = f"{sys.executable} -m model batch {scans} --out {tmp_path / 'out'}"
    subprocess.run(["bash", "-c", f"({command}; echo $? > {tmp_path / 'status'}) {closed}"], cwd=ROOT, check=False)
    assert (tmp_path / "status").read_text() == "1\n"
    assert len(rows_in(tmp_path / "out")) == 2


def test_told_to_end_while_it_gathers_it_gathers_first(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert batch(scans, "--out", tmp_path / "out") == 0
    (tmp_path / "out" / "results.csv").unlink()
    ends = ("def end(*given, **named):", "    os.kill(os.getpid(), 15)", "    return gathered(*given, **named)")
    gathers = ("import os, model.batch.run as run", "gathered = run.write_tables", *ends, "run.write_tables = end")
    hook(tmp_path / "hook", monkeypatch, *gathers, process="batch")
    process = start(scans, "--out", tmp_path / "out")
    finish(process)
    assert process.returncode == 128 + signal.SIGTERM
    assert len(rows_in(tmp_path / "out")) == 1


def test_a_node_on_which_the_scans_are_not_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    order = Order(str(tmp_path / "out"), How(), MODEL).as_json()
    actor = Actor(order, cores=1, seconds=9.0)
    told = json.dumps(Study(str(tmp_path / "mount"), "picture", "a.png", ("a.png",), ("1",)).as_json())
    (answer,) = actor({"study": [told]})["row"]
    assert "is not there, or empty: all nodes must find the sources" in json.loads(answer)["fatal"]


def test_what_ends_a_batch_is_told_apart_from_what_a_study_may_raise() -> None:
    assert issubclass(Fatal, BatchError)
    assert not issubclass(Died, BatchError)
