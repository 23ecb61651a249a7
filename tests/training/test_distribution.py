from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.training.drawn import write_data
from training.learning.history import read_history

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-5
"""Of weights of about 1, moments of the optimiser among them; rounding alone differs by some 5e-7."""

RUNS = ("alone", "devices", "processes")
LOGS = ("stage1-32/log.csv", "stage2-64/log.csv")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(*arguments: object, devices: int = 1) -> subprocess.Popen[str]:
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    command = [sys.executable, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def end(process: subprocess.Popen[str]) -> str:
    """Return what a process said on standard error; end it where it does not end by itself."""
    try:
        return process.communicate(timeout=150)[1]
    finally:
        process.kill()


def stop(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C once a process has begun its endless run, or has ended."""
    assert process.stdout is not None
    # The library of collectives says something as well.
    for line in process.stdout:
        if line == "begun\n":
            break
    process.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def said(out: Path) -> list[str]:
    """Train alone, on two devices of one process, and by two processes, of which the second is stopped by Ctrl-C.

    Return what these two say in the end.
    """
    data = write_data(out / "data", train=9, val=5).parent
    together = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2, "--process"]
    driver = ["-m", "tests.training.apart", data]
    two = [start(*driver, out / "processes", *together, process) for process in (0, 1)]
    others = [start(*driver, out / "alone"), start(*driver, out / "devices", devices=2)]
    stop(two[1])
    sentences = [end(process) for process in (*two, *others)]
    assert [process.returncode for process in (*two, *others)] == [1, 130, 0, 0], sentences
    return sentences[:2]


def report(out: Path, run: str, process: int = 0) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / run / f"process{process}.json").read_text())
    return content


def arrays(file: Path) -> dict[str, np.ndarray[Any, Any]]:
    found = {}
    with h5py.File(file) as content:
        content.visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def written(folder: Path) -> list[str]:
    """Return the files of a run; TensorBoard names its own after time and process."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(str(file.parent / "events" if "tfevents" in file.name else file) for file in files)


@pytest.mark.usefixtures("said")
def test_they_are_as_many_as_they_were_started(out: Path) -> None:
    reports = [report(out, run) for run in RUNS]
    assert [(one["processes"], one["devices"]) for one in reports] == [(1, 1), (1, 2), (2, 2)]


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("run", ["devices/whole", "processes/whole", "processes/cut"])
@pytest.mark.parametrize("file", ["best.weights.h5", "stage2-64/backup/latest.weights.h5"])
def test_weights_and_optimiser_end_as_those_of_one_process_that_nobody_cut(run: str, file: str, out: Path) -> None:
    whole, other = arrays(out / "alone" / "whole" / file), arrays(out / run / file)
    assert set(other) == set(whole)
    for name, values in whole.items():
        np.testing.assert_allclose(other[name], values, rtol=0.0, atol=TOLERANCE, err_msg=name)


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("run", ["devices/whole", "processes/whole", "processes/cut"])
def test_the_figures_of_each_epoch_are_those_of_one_process(run: str, out: Path) -> None:
    for log in LOGS:
        alone, other = (read_history(out / one / log) for one in ("alone/whole", run))
        assert len(other) == len((out / run / log).read_text().splitlines()) - 1 == 2
        for wanted, found in zip(alone, other, strict=True):
            figures = {name: float(value) for name, value in wanted.items()}
            assert {name: float(value) for name, value in found.items()} == pytest.approx(figures, abs=TOLERANCE)


@pytest.mark.usefixtures("said")
def test_only_the_first_process_writes(out: Path) -> None:
    files = written(out / "processes" / "whole")
    assert files == written(out / "alone" / "whole")
    assert files.count("stage1-32/tensorboard/train/events") == 1


@pytest.mark.usefixtures("said")
def test_where_one_process_cannot_begin_none_does(out: Path) -> None:
    first, second = (report(out, "processes", process)["refusals"] for process in (0, 1))
    other = "process 1 has another configuration than process 0: start all alike"
    assert (first["another seed"], second["another seed"]) == (other, other)
    for name in ("other weights", "other slices"):
        what = {"other weights": "file in start_from", "other slices": "data set"}[name]
        said = f"process 1 has another {what} than process 0: start all alike"
        assert (first[name], second[name]) == (said, said)
    assert first["no data"] == "process 1 cannot go on, and says why"
    assert "absent" in second["no data"]
    divided = "3, the batch_size, cannot be divided over 2 devices: take a multiple of 2"
    assert (first["no division"], second["no division"]) == (divided, divided)
    assert first["not shared"] == "process 1 cannot go on, and says why"
    assert "1/refused is not the folder that process 0 writes to: all processes share one" in second["not shared"]


def test_a_process_that_is_stopped_says_so(said: list[str]) -> None:
    assert said[1].splitlines()[-1] == "process 1 was stopped; start all with --resume"
    assert "Traceback" not in said[1]


def test_a_process_says_that_another_is_gone(said: list[str]) -> None:
    assert "process 0 cannot go on" in said[0]
    assert "start all of them with --resume" in said[0]
    assert "Traceback" not in said[0]


def test_a_process_that_cannot_reach_the_first_ends_with_a_sentence(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('manifest = "a"\n[[stages]]\nsize = 32\nepochs = 1\nbatch_size = 2\nlearning_rate = 1e-3\n')
    where = f"127.0.0.1:{free_port()}"
    process = start(
        *("-m", "training.train", "--config", config, "--workdir", tmp_path / "run", "--processes", 2),
        *("--process", 1, "--coordinator", where, "--wait", 1),
    )
    said = end(process)
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith(f"cannot reach process 0 at {where}")
    assert "Traceback" not in said
