from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from tests.training.drawn import draw_sample
from training.data.dataset import SliceBatches
from training.data.mixture import mix
from training.learning.config import Config, Stage
from training.learning.distribution import SharedBatches, add_options, join
from training.learning.material import Material
from training.learning.team import ALONE, Team, find_config

STAGE = Stage(size=32, epochs=1, batch_size=4, learning_rate=1e-3)
CONFIG = Config("a.csv", (STAGE,))
SECOND = Team(process=1, processes=2, devices=4)


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(("process", "rows"), [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])])
def test_processes_share_a_batch_in_their_order(process: int, rows: list[int]) -> None:
    assert list(Team(process=process, processes=3, devices=3).rows(6)) == rows


def test_one_process_alone_has_all_rows() -> None:
    assert list(ALONE.rows(5)) == [0, 1, 2, 3, 4]
    assert ALONE.leads


@pytest.mark.parametrize(
    ("batch_size", "slices", "sentence"),
    [
        (6, 100, "6, the batch_size, cannot be divided over 4 devices: take a multiple of 4"),
        (8, 6, "6, the slices of an epoch, cannot be divided over 4 devices"),
    ],
)
def test_a_batch_that_cannot_be_divided_is_refused(batch_size: int, slices: int, sentence: str) -> None:
    config = replace(CONFIG, stages=(STAGE, replace(STAGE, batch_size=batch_size)))
    with pytest.raises(ValueError, match=sentence):
        SECOND.check_division(config, slices)


def test_what_can_be_divided_is_not_refused() -> None:
    SECOND.check_division(CONFIG, slices=101)
    SECOND.check_division(replace(CONFIG, stages=(replace(STAGE, batch_size=6),)), slices=4)
    ALONE.check_division(replace(CONFIG, stages=(replace(STAGE, batch_size=7),)), slices=100)


def test_shares_of_training_are_the_rows_of_the_batch() -> None:
    batches = SliceBatches([draw_sample(number) for number in range(5)], size=32, batch_size=4, seed=1)
    images, truths = batches[0]
    for team in (Team(0, 2, 2), Team(1, 2, 2)):
        mine = SharedBatches(batches, team)[0]
        np.testing.assert_array_equal(mine[0], images[2 * team.process : 2 * team.process + 2])
        np.testing.assert_array_equal(mine[1], truths[2 * team.process : 2 * team.process + 2])


def test_epochs_go_on_in_shares_as_well() -> None:
    batches = SliceBatches([draw_sample(number) for number in range(4)], size=32, batch_size=2, seed=1)
    shared = SharedBatches(batches, ALONE)
    assert len(shared) == 2
    shared.on_epoch_end()
    assert batches.epoch == 1


def test_a_last_batch_that_validates_is_filled_with_what_is_not_known() -> None:
    batches = SliceBatches([draw_sample(number) for number in range(5)], size=32, batch_size=4)
    (first, truth), (nothing, unknown) = (SharedBatches(batches, Team(process, 2, 2))[1] for process in (0, 1))
    np.testing.assert_array_equal(first[0], batches[1][0][0])
    np.testing.assert_array_equal(truth[0], batches[1][1][0])
    for filled in (first[1:], truth[1:], nothing, unknown):
        assert not filled.any()
    assert (nothing.shape, unknown.shape) == ((2, 32, 32, 1), (2, 32, 32, 4))


def test_what_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run is not the folder that process 0 writes to"):
        find_config(tmp_path / "run", seconds=0.0)

    def write(_: float) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "config.json").touch()

    with patch("time.sleep", write):
        find_config(tmp_path / "run", seconds=60.0)


def samples() -> Material:
    drawn = [draw_sample(number) for number in range(3)]
    return Material(drawn[:2], mix([2], [], None), drawn[2:])


def test_a_fingerprint_is_that_of_every_pixel_and_mask_and_neighbour() -> None:
    whole = samples()
    first = whole.training[0]
    others = [replace(first, lung=None), replace(first, beside=(first,)), replace(first, image=first.image + 1)]
    changed = [replace(whole, validation=[one]) for one in (first, *others)]
    moved = replace(whole, training=whole.training[:1], validation=[*whole.training[1:], *whole.validation])
    prints = [one.fingerprint() for one in (whole, *changed, moved)]
    assert len(set(prints)) == len(prints)
    assert samples().fingerprint() == whole.fingerprint()


def test_without_options_one_process_trains_alone() -> None:
    assert join(options()) == ALONE


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--processes", "2"], "--processes, --process and --coordinator belong together: give all three"),
        (["--coordinator", "a:1", "--process", "1"], "belong together"),
        (["--wait", "5"], "belong together"),
        (
            ["--processes", "2", "--process", "2", "--coordinator", "a:1"],
            "--process must be below --processes, 2, got 2",
        ),
        (["--processes", "2", "--process", "1", "--coordinator", "a:1"], "start it with KERAS_BACKEND=jax"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        join(options(*arguments))


@pytest.mark.parametrize("text", ["host", "host:", ":5000", "host:0", "host:65536", "host:port", "::1:5000"])
def test_a_coordinator_that_is_no_address_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options("--coordinator", text)
    assert f"must be HOST:PORT, such as 10.0.0.1:5000, got '{text}'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[::1]:5000", "node-1:5000"])
def test_names_and_addresses_are_read(text: str) -> None:
    assert options("--coordinator", text).coordinator == (text.rpartition(":")[0].strip("[]"), 5000)
