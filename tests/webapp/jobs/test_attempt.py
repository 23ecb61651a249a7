"""Attempts at jobs: who begins, what becomes of a job whose process died, what a process does that comes back late."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from webapp.jobs.attempt import STALLED_AFTER_S, Attempt, Lost, begin, tend
from webapp.jobs.status import Stage, Status, is_waited_for, put_in_queue, read_status

ROOT = Path(__file__).parents[3]
AT_ONCE = 8


def queued(folder: Path) -> Path:
    """A job that waits."""
    (folder / "upload").mkdir(parents=True)
    (folder / "upload" / "00000").write_bytes(b"CT")
    (folder / "order.json").write_text("{}")
    put_in_queue(folder)
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return queued(tmp_path / "job")


def begun(folder: Path) -> Attempt:
    """An attempt that has read everything and is about to say so."""
    this = begin(folder)
    assert this is not None
    (this.made / "slices").mkdir(parents=True)
    (this.made / "slices" / "1.png").write_text(this.made.parent.name)
    (this.made / "details.json").write_text("{}")
    this.scratch.mkdir()
    return this


def stall(folder: Path) -> None:
    """Let the last sign of life be long ago."""
    (working,) = folder.glob("working-*")
    os.utime(working, (0, 0))


def at_once(action: Callable[[Path], object], folder: Path) -> list[object]:
    """Do the same with a folder in several threads at the same moment."""
    together = threading.Barrier(AT_ONCE)

    def one(_: int) -> object:
        together.wait()
        return action(folder)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def tend_and_begin(folder: Path) -> Attempt | None:
    tend(folder)
    return begin(folder)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def where(folder: Path) -> tuple[str, int]:
    status = read_status(folder)
    return status.state, status.attempts


def test_a_job_is_begun_by_one_of_several(tmp_path: Path) -> None:
    for number in range(20):
        job = queued(tmp_path / str(number))
        assert sum(this is not None for this in at_once(begin, job)) == 1


def test_a_job_that_has_waited_for_long_is_not_stalled_when_it_is_begun(job: Path) -> None:
    os.utime(job / "queued-0", (0, 0))
    assert begin(job) is not None
    tend(job)
    assert where(job) == ("working", 1)


def test_a_job_in_work_is_left_to_its_process(job: Path) -> None:
    begun(job)
    an_instant_before = time.time() - STALLED_AFTER_S + 5
    os.utime(job / "working-1", (an_instant_before, an_instant_before))
    tend(job)
    assert where(job) == ("working", 1)


def test_a_job_whose_process_is_killed_waits_again_without_what_was_made(job: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path; from webapp.jobs.attempt import begin\n"
        "this = begin(Path(sys.argv[1])); (this.made / 'slices').mkdir(parents=True)\n"
        "with this.beating(): this.progress(1, 9); signal.raise_signal(signal.SIGKILL)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(job)], cwd=ROOT, timeout=60)
    assert process.returncode == -9
    assert read_status(job).done == 1
    stall(job)
    tend(job)
    assert read_status(job) == Status(
        "queued", 1, created=(job / "order.json").stat().st_mtime, updated=(job / "queued-1").stat().st_mtime
    )
    assert names(job) == {"order.json", "upload", "queued-1", "attempt-1.json"}


def test_the_second_attempt_finishes_like_the_first(job: Path) -> None:
    begun(job)
    stall(job)
    tend(job)
    begun(job).finish()
    assert where(job) == ("done", 2)
    assert (job / "slices" / "1.png").read_text() == "attempt-2"


def test_a_job_that_is_put_back_is_never_missed(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(job)
    stall(job)
    tend(job)
    this = begun(job)
    original = Path.stat

    def put_back_at_once(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name == "working-2":
            monkeypatch.undo()
            this.give_back()
        return original(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", put_back_at_once)
    assert where(job) == ("queued", 1)
    assert names(job) == {"order.json", "upload", "queued-1"}


def test_a_job_that_lost_two_processes_fails_and_its_upload_is_gone(job: Path) -> None:
    for _ in range(2):
        begun(job)
        stall(job)
        tend(job)
    status = read_status(job)
    assert (status.state, status.error) == ("failed", "StorageError")
    assert "stopped twice while it read this volume. It may be the volume" in str(status.sentence)
    assert begin(job) is None
    assert names(job) == {"order.json", "failed-2"}


def test_of_several_that_find_a_stalled_job_one_begins_it(tmp_path: Path) -> None:
    for number in range(20):
        job = queued(tmp_path / str(number))
        begun(job)
        stall(job)
        assert sum(this is not None for this in at_once(tend_and_begin, job)) == 1
        assert where(job) == ("working", 2)


@pytest.mark.parametrize(
    "tells",
    [
        lambda this: this.progress(2, 3),
        lambda this: this.finish(),
        lambda this: this.fail("DamagedImage", "It is damaged."),
    ],
    ids=["progress", "finish", "fail"],
)
def test_an_attempt_that_comes_back_late_is_told_and_changes_nothing(
    job: Path, tells: Callable[[Attempt], None]
) -> None:
    slow = begun(job)
    stall(job)
    tend(job)
    next_one = begun(job)
    next_one.progress(1, 3)
    before = read_status(job)
    with pytest.raises(Lost):
        tells(slow)
    slow.leave()
    assert read_status(job) == before
    assert (job / "upload" / "00000").exists()
    next_one.finish()
    assert (job / "slices" / "1.png").read_text() == "attempt-2"


def test_an_attempt_that_comes_back_after_the_next_has_finished_changes_nothing(job: Path) -> None:
    slow = begun(job)
    stall(job)
    tend(job)
    begun(job).finish()
    # It was in the middle of a slice, and makes its room anew.
    (slow.made / "slices").mkdir(parents=True)
    with pytest.raises(Lost):
        slow.finish()
    slow.leave()
    assert where(job) == ("done", 2)
    assert names(job) == {"order.json", "done-2", "slices", "details.json"}


def test_an_attempt_at_a_deleted_job_leaves_nothing(job: Path) -> None:
    this = begun(job)
    shutil.rmtree(job)
    (this.made / "slices").mkdir(parents=True)
    with pytest.raises(Lost):
        this.progress(1, 2)
    this.leave()
    assert not job.exists()


def test_the_heart_beats_until_the_job_is_lost(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    this = begun(job)
    stall(job)
    monkeypatch.setattr("webapp.jobs.attempt.BEAT_S", 0.01)
    with this.beating():
        time.sleep(0.2)
        assert time.time() - read_status(job).updated < 10
        shutil.rmtree(job)
        time.sleep(0.2)
        assert "heartbeat" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("moved", [False, True], ids=["nothing", "slices"])
def test_what_a_process_could_not_clear_up_any_more_another_does(job: Path, moved: bool) -> None:
    this = begun(job)
    # It dies right after this.
    (job / "working-1").rename(job / "done-1")
    if moved:
        (this.made / "slices").rename(job / "slices")
    assert read_status(job).state == "working"
    at_once(tend, job)
    assert where(job) == ("done", 1)
    assert names(job) == {"order.json", "done-1", "slices", "details.json"}


def test_an_attempt_that_ends_while_it_is_found_stalled_keeps_what_it_made(
    job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(job)
    stall(job)
    tend(job)
    begun(job)
    (job / "working-2").rename(job / "done-2")
    with monkeypatch.context() as a_moment_ago:
        a_moment_ago.setattr("webapp.jobs.attempt.find_stage", lambda folder: (Stage("working", 2), 0.0))
        tend(job)
    tend(job)
    assert names(job) == {"order.json", "done-2", "slices", "details.json"}


def test_the_upload_of_a_failed_job_is_deleted_though_its_process_died(job: Path) -> None:
    begun(job)
    (job / "working-1").rename(job / "failed-1")
    tend(job)
    assert names(job) == {"order.json", "failed-1"}


def test_a_failed_job_says_why_and_keeps_nothing_else(job: Path) -> None:
    begun(job).fail("DamagedImage", "It is damaged.")
    status = read_status(job)
    assert (status.state, status.error, status.sentence) == ("failed", "DamagedImage", "It is damaged.")
    assert names(job) == {"order.json", "failed-1", "attempt-1.json"}


def test_a_stalled_job_is_waited_for_and_a_forgotten_one_is_not(job: Path) -> None:
    begun(job)
    an_hour_ago = time.time() - 3600
    os.utime(job / "working-1", (an_hour_ago, an_hour_ago))
    assert is_waited_for(job)
    stall(job)
    assert not is_waited_for(job)


def test_what_is_no_job_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "details.json").write_text("{}")
    tend(tmp_path)
    assert names(tmp_path) == {"details.json"}
    assert not is_waited_for(tmp_path)
