"""Batches on a Ray cluster of two nodes."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.nodes import Nodes
from model.batch.cluster_process import Room, room_for
from model.phantom import phantom_png
from tests.batch.mixed import BROKEN, COUNT, needs_scans, write_mixed
from tests.batch.started import finish, row_files, rows_in, start, wait_for_rows, without_time


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(2, tmp_path_factory.mktemp("ray") / "log") as nodes:
        yield nodes


def write_phantoms(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03d}.png").write_bytes(phantom_png("one"))


_TAKE_TWO_CORES = """
import select
import sys

import ray

ray.init(sys.argv[1], log_to_driver=False)
actors = [ray.remote(num_cpus=1)(type("Work", (), {})).remote() for _ in range(2)]
ray.get([actor.__ray_ready__.remote() for actor in actors])
print("taken", flush=True)
select.select([sys.stdin], [], [], 120.0)
"""


@contextmanager
def others_at_work(cluster: Nodes) -> Iterator[None]:
    """Take all cores of a cluster, as others do who compute on it."""
    command = [sys.executable, "-c", _TAKE_TWO_CORES, cluster.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "taken\n" in process.stdout
        try:
            yield
        finally:
            process.communicate("\n")


@needs_scans
def test_two_hundred_studies_have_the_rows_that_they_have_on_one_machine(cluster: Nodes, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    write_mixed(scans)
    finish(start(scans, "--out", tmp_path / "alone"))
    process = start(scans, "--out", tmp_path / "shared", "--cluster", cluster.address)
    said = finish(process)
    assert process.returncode == 1, said
    assert f"{COUNT} studies, {BROKEN} of them failed" in said
    assert "Others compute" not in said
    rows = without_time(rows_in(tmp_path / "shared"))
    assert len(rows) == COUNT
    assert rows == without_time(rows_in(tmp_path / "alone"))


def test_what_is_done_is_not_read_again_and_masks_are_kept(cluster: Nodes, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("one", "many"):
        (tmp_path / "in" / f"{name}.png").write_bytes(phantom_png(name))
    arguments = (tmp_path / "in", "--out", tmp_path / "out", "--masks", "--cluster", cluster.address)
    finish(start(*arguments))
    first = row_files(tmp_path / "out")
    (tmp_path / "in" / "bad.png").write_text("no picture")
    process = start(*arguments)
    finish(process)
    assert process.returncode == 1
    assert len(first) == 2
    assert first.items() < row_files(tmp_path / "out").items()
    assert len(list((tmp_path / "out" / "studies").glob("*/mask.png"))) == 2


def test_a_node_that_is_killed_costs_what_it_was_reading(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "in", 120)
    with Nodes(2, tmp_path / "log") as nodes:
        process = start(tmp_path / "in", "--out", tmp_path / "out", "--cluster", nodes.address)
        wait_for_rows(tmp_path / "out", 30, process)
        nodes.kill_one()
        before = row_files(tmp_path / "out")
        said = finish(process)
    assert process.returncode == 0, said
    assert len(before) < 120
    assert [row["path"] for row in rows_in(tmp_path / "out")] == [f"{number:03d}.png" for number in range(120)]
    after = row_files(tmp_path / "out")
    assert {name: after[name] for name in before} == before


def test_a_cluster_that_others_use_is_waited_for_and_told(cluster: Nodes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(phantom_png("one"))
    with others_at_work(cluster):
        process = start(tmp_path / "a.png", "--out", tmp_path / "out", "--cluster", cluster.address)
        assert process.stderr is not None
        assert any("Others compute on all cores of the cluster" in line for line in process.stderr)
        assert row_files(tmp_path / "out") == {}
    assert "1 study" in finish(process)
    assert process.returncode == 0


class FakeRay:
    """Nodes with so many cores, of which so many are free on one; a task that asks for more waits."""

    def __init__(self, nodes: list[int], free: int) -> None:
        self._nodes, self._free = nodes, free

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": float(cores)}} for cores in self._nodes]

    def remote(self, *, num_cpus: int) -> Callable[[Any], Any]:
        return lambda function: SimpleNamespace(remote=lambda: num_cpus)

    def wait(self, tasks: list[int], timeout: float) -> tuple[list[int], list[int]]:
        return [each for each in tasks if each <= self._free], [each for each in tasks if each > self._free]

    def cancel(self, task: int) -> None:
        assert task > self._free


@pytest.mark.parametrize(
    ("free", "count", "room", "is_told"),
    [
        (4, 1, Room(1, 4), False),
        (4, 100, Room(8, 1), False),
        (3, 1, Room(1, 1), False),
        (1, 3, Room(3, 1), False),
        (0, 3, Room(3, 1), True),
        (0, 100, Room(8, 1), True),
    ],
)
def test_where_several_cores_are_not_free_each_study_has_one(free: int, count: int, room: Room, is_told: bool) -> None:
    answers = io.BytesIO()
    assert room_for(FakeRay([4, 4], free), count, answers) == room
    assert (b"Others compute on all cores" in answers.getvalue()) == is_told


def test_a_cluster_without_a_core_is_refused() -> None:
    with pytest.raises(OSError, match="no core to read with"):
        room_for(FakeRay([0], 0), 1, io.BytesIO())


def test_a_cluster_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(phantom_png("one"))
    with socket.socket() as shut:
        shut.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{shut.getsockname()[1]}"
        process = start(tmp_path / "a.png", "--out", tmp_path / "out", "--cluster", nowhere)
        assert f"Nothing answers at {nowhere}" in finish(process)
    assert process.returncode == 2


def test_weights_that_are_damaged_end_the_run(cluster: Nodes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(phantom_png("one"))
    (tmp_path / "net.h5").write_text("no weights")
    arguments = ("--weights", tmp_path / "net.h5", "--cluster", cluster.address)
    process = start(tmp_path / "a.png", "--out", tmp_path / "out", *arguments)
    said = finish(process)
    assert process.returncode == 2, said
    assert "net.h5" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_gathers_what_is_done(number: signal.Signals, cluster: Nodes, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "in", 300)
    process = start(tmp_path / "in", "--out", tmp_path / "out", "--cluster", cluster.address)
    wait_for_rows(tmp_path / "out", 5, process)
    process.send_signal(number)
    said = finish(process)
    assert process.returncode == 128 + number, said
    assert f"Ended by {number.name}" in said
    assert "Traceback" not in said
    assert 5 <= len(rows_in(tmp_path / "out")) < 300


def test_a_cluster_that_is_lost_is_told(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "in", 300)
    with Nodes(1, tmp_path / "log") as nodes:
        process = start(tmp_path / "in", "--out", tmp_path / "out", "--cluster", nodes.address)
        wait_for_rows(tmp_path / "out", 5, process)
    said = finish(process)
    assert process.returncode == 2, said
    assert "The cluster is lost" in said
    assert 5 <= len(rows_in(tmp_path / "out")) < 300


def test_workers_are_for_one_machine(tmp_path: Path) -> None:
    process = start(tmp_path, "--out", tmp_path / "out", "--cluster", "auto", "--workers", "2")
    assert "--workers is for this machine alone" in finish(process)
    assert process.returncode == 2
