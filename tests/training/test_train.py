from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.errors import WeightsError
from model.network import build_network
from tests.training.drawn import write_data
from tests.training.interrupt import Interrupt, Interrupted
from tests.training.small import build_small
from training import train as training
from training.data.dataset import SliceBatches, read_manifest, read_sample
from training.data.mixture import Mixture
from training.learning.callbacks import make_callbacks
from training.learning.config import Config, Extra, Stage
from training.learning.history import read_history
from training.learning.schedule import CosineWithWarmup
from training.measures.metrics import PooledOverlap
from training.train import Run, main, train

STAGE = Stage(size=32, epochs=2, batch_size=2, learning_rate=1e-2)
CONFIG = Config("index.csv", (STAGE,), seed=1)
LOG = "stage1-32/log.csv"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data")).parent


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "build_network", build_small)


def train_until(workdir: Path, data: Path, interrupt: Interrupt, *, position: int, config: Config = CONFIG) -> None:
    """Train with one more callback, at a position as in list.insert, until it stops the run."""

    def with_interrupt(*arguments: Any, **options: Any) -> list[keras.callbacks.Callback]:
        callbacks = make_callbacks(*arguments, **options)
        callbacks.insert(position, interrupt)
        return callbacks

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "make_callbacks", with_interrupt)
        with pytest.raises(Interrupted):
            train(config, workdir, data=data, verbose=0)


def write_config(folder: Path) -> Path:
    file = folder / "config.toml"
    file.write_text('manifest = "index.csv"\n[[stages]]\nsize = 32\nepochs = 1\nbatch_size = 2\nlearning_rate = 1e-3\n')
    return file


def epochs(rows: Sequence[dict[str, str]]) -> list[str]:
    return [row["epoch"] for row in rows]


def logged_lines(log: Path) -> list[str]:
    return [line.partition(",")[0] for line in log.read_text().splitlines()]


def weights(file: Path) -> list[np.ndarray[Any, Any]]:
    network = build_small()
    network.load_weights(file)
    return list(network.get_weights())


def test_the_real_network_takes_a_step(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, stages=(replace(STAGE, epochs=1),), max_slices=2, mixed_bfloat16=True)
    best = train(config, tmp_path / "run", data=data, verbose=0)
    assert best == tmp_path / "run" / "best.weights.h5"
    assert epochs(read_history(tmp_path / "run" / LOG)) == ["0"]
    assert list((tmp_path / "run" / "stage1-32" / "tensorboard" / "train").glob("events.*"))
    trained, served = (build_network(size=32, mixed_bfloat16=mixed) for mixed in (True, False))
    for network in (trained, served):
        network.load_weights(best)
    # Weights that were trained in bfloat16 are served in float32: each must find its layer.
    by_layer = {weight.path: weight.numpy() for weight in trained.weights}
    assert set(by_layer) == {weight.path for weight in served.weights}
    for weight in served.weights:
        np.testing.assert_array_equal(weight.numpy(), by_layer[weight.path], err_msg=weight.path)


@pytest.mark.usefixtures("small_network")
def test_a_resumed_run_is_the_run_that_was_not_interrupted(data: Path, tmp_path: Path) -> None:
    train(CONFIG, tmp_path / "whole", data=data, verbose=0)
    # Last of all, after the backup of epoch 0.
    train_until(tmp_path / "cut", data, Interrupt(before=1), position=99)
    train(CONFIG, tmp_path / "cut", data=data, resume=True, verbose=0)
    assert logged_lines(tmp_path / "cut" / LOG) == ["epoch", "0", "1"]
    for whole, cut in zip(*(read_history(tmp_path / run / LOG) for run in ("whole", "cut")), strict=True):
        assert {name: float(value) for name, value in cut.items()} == pytest.approx(
            {name: float(value) for name, value in whole.items()}, rel=1e-3
        )
    for run in ("whole", "cut"):
        assert (tmp_path / run / "stage1-32" / "done").exists()
    states = [weights(tmp_path / run / "stage1-32" / "backup" / "latest.weights.h5") for run in ("whole", "cut")]
    for whole_weight, cut_weight in zip(*states, strict=True):
        assert cut_weight == pytest.approx(whole_weight, rel=1e-3, abs=1e-5)


@pytest.mark.usefixtures("small_network")
def test_an_epoch_that_was_logged_but_not_backed_up_is_run_again(data: Path, tmp_path: Path) -> None:
    # Before the last callback, the backup.
    train_until(tmp_path, data, Interrupt(after=1), position=-1)
    train(CONFIG, tmp_path, data=data, resume=True, verbose=0)
    assert logged_lines(tmp_path / LOG) == ["epoch", "0", "1", "1"]
    assert epochs(read_history(tmp_path / LOG)) == ["0", "1"]


@pytest.mark.usefixtures("small_network")
def test_a_resumed_run_keeps_the_best_weights_until_it_is_better(data: Path, tmp_path: Path) -> None:
    train_until(tmp_path, data, Interrupt(before=1), position=99)
    (row,) = read_history(tmp_path / LOG)
    best = (tmp_path / "stage1-32" / "best.weights.h5").read_bytes()
    # The first epoch is said to have been better than any that follows.
    log = (tmp_path / LOG).read_text()
    (tmp_path / LOG).write_text(log.replace(row["val_lesion_dice"], "0.999"))
    train(CONFIG, tmp_path, data=data, resume=True, verbose=0)
    assert (tmp_path / "best.weights.h5").read_bytes() == best


@pytest.mark.usefixtures("small_network")
def test_a_run_that_is_done_is_not_run_again(data: Path, tmp_path: Path) -> None:
    best = train(CONFIG, tmp_path, data=data, verbose=0)
    before = (tmp_path / LOG).read_text()
    assert train(CONFIG, tmp_path, data=data, resume=True, verbose=0) == best
    assert (tmp_path / LOG).read_text() == before


@pytest.mark.usefixtures("small_network")
def test_a_stage_starts_from_the_best_weights_of_the_one_before(data: Path, tmp_path: Path) -> None:
    # Adam's steps are as long as the rate: this one stands still.
    still = replace(STAGE, size=64, epochs=1, learning_rate=1e-12)
    best = train(replace(CONFIG, stages=(STAGE, still)), tmp_path, data=data, verbose=0)
    first, last = weights(tmp_path / "stage1-32" / "best.weights.h5"), weights(best)
    assert last[0] == pytest.approx(first[0], abs=1e-8)
    assert (tmp_path / "stage2-64" / "log.csv").exists()


@pytest.mark.usefixtures("small_network")
def test_the_best_weights_are_those_of_the_best_epoch(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, stages=(replace(STAGE, epochs=5, learning_rate=0.3),))
    best = train(config, tmp_path, data=data, verbose=0)
    logged = [float(row["val_lesion_dice"]) for row in read_history(tmp_path / LOG)]
    assert len(set(logged)) > 1
    network = build_small()
    network.load_weights(best)
    metric = PooledOverlap(0, "dice", name="dice")
    samples = [read_sample(row) for row in read_manifest(data / "index.csv") if row.split == "val"]
    image, truth = SliceBatches(samples, size=32, batch_size=2)[0]
    metric.update_state(truth, network.predict_on_batch(image))
    assert float(metric.result()) == pytest.approx(max(logged), rel=1e-5)


@pytest.mark.usefixtures("small_network")
def test_training_stops_when_it_no_longer_gets_better(data: Path, tmp_path: Path) -> None:
    still = replace(STAGE, epochs=9, learning_rate=1e-12)
    config = replace(CONFIG, stages=(still,), patience=2, schedule="plateau")
    train(config, tmp_path, data=data, verbose=0)
    assert len(read_history(tmp_path / LOG)) < 9


@pytest.mark.usefixtures("small_network")
def test_the_same_seed_gives_the_same_first_epoch(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, stages=(replace(STAGE, epochs=1),))
    for run, seed in (("first", 1), ("same", 1), ("other", 2)):
        train(replace(config, seed=seed), tmp_path / run, data=data, verbose=0)
    losses = [float(read_history(tmp_path / run / LOG)[0]["loss"]) for run in ("first", "same", "other")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != pytest.approx(losses[2], rel=1e-4)


@pytest.mark.usefixtures("small_network")
def test_it_refuses_a_folder_that_holds_a_run(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, stages=(replace(STAGE, epochs=1),))
    train(config, tmp_path, data=data, verbose=0)
    with pytest.raises(FileExistsError, match="holds a run already: continue it with --resume"):
        train(config, tmp_path, data=data, verbose=0)
    with pytest.raises(ValueError, match="config.json is of another configuration"):
        train(replace(config, patience=3), tmp_path, data=data, resume=True, verbose=0)


@pytest.mark.usefixtures("small_network")
def test_a_fold_validates_and_further_slices_train(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    materials = []

    def watch(run: Run, stage: Stage, folder: Path, **_: Any) -> Path:
        materials.append(run.material)
        folder.mkdir(parents=True)
        (folder / "best.weights.h5").touch()
        return folder / "best.weights.h5"

    monkeypatch.setattr(training, "_train_stage", watch)
    further = write_data(tmp_path / "further", train=3, val=0)
    config = replace(CONFIG, hold_out="fold=1/2", extra=(Extra(str(further), 0.5),), slices_per_epoch=8)
    train(config, tmp_path / "run", data=data, verbose=0)
    (material,) = materials
    # Of two patients with two slices each one is held out, and with it two of the three further slices.
    assert (len(material.training), len(material.validation)) == (2 + 1, 2)
    assert material.mixture == Mixture((2, 1), (4, 4))


@pytest.mark.usefixtures("small_network")
def test_a_run_begins_with_the_weights_that_it_is_given(data: Path, tmp_path: Path) -> None:
    first = train(CONFIG, tmp_path / "first", data=data, verbose=0)
    still = replace(STAGE, epochs=1, learning_rate=1e-12)
    config = replace(CONFIG, stages=(still,), start_from=str(first), averaging=0.9)
    second = train(config, tmp_path / "second", data=data, verbose=0)
    assert weights(second)[0] == pytest.approx(weights(first)[0], abs=1e-6)


@pytest.mark.usefixtures("small_network")
def test_a_resumed_run_keeps_its_average(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, averaging=0.9)
    train(config, tmp_path / "whole", data=data, verbose=0)
    train_until(tmp_path / "cut", data, Interrupt(before=1), position=99, config=config)
    train(config, tmp_path / "cut", data=data, resume=True, verbose=0)
    whole, cut = (read_history(tmp_path / run / LOG)[-1] for run in ("whole", "cut"))
    assert float(cut["val_loss"]) == pytest.approx(float(whole["val_loss"]), rel=1e-3)


def test_an_unknown_architecture_is_refused_at_once(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vgg"):
        train(replace(CONFIG, arch="vgg"), tmp_path / "run", data=data, verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_mistyped_data_folder_leaves_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        train(CONFIG, tmp_path / "run", data=tmp_path / "absent", verbose=0)
    assert not (tmp_path / "run").exists()


def test_it_refuses_data_without_validation(tmp_path: Path) -> None:
    write_data(tmp_path, train=2, val=0)
    with pytest.raises(ValueError, match="no slice is left to validate"):
        train(CONFIG, tmp_path / "run", data=tmp_path, verbose=0)


@pytest.mark.usefixtures("small_network")
def test_the_command_trains(data: Path, tmp_path: Path) -> None:
    config, workdir = write_config(tmp_path), tmp_path / "run"
    main(["--config", str(config), "--workdir", str(workdir), "--data", str(data), "--verbose", "0"])
    assert (workdir / "best.weights.h5").exists()
    assert json.loads((workdir / "config.json").read_text())["stages"][0]["size"] == 32


@pytest.mark.parametrize(
    ("step", "expected"),
    # Halfway between the end of the rise, 2, and the end of the stage, 10, the cosine is at half its height.
    [(0, 0.5), (1, 1.0), (2, 1.0), (4, 0.853553), (6, 0.5), (10, 0.0), (99, 0.0)],
)
def test_the_rate_rises_and_falls_as_computed_by_hand(step: int, expected: float) -> None:
    schedule = CosineWithWarmup(peak=3.0, steps=10, warmup_steps=2)
    assert float(schedule(step)) == pytest.approx(3.0 * expected, abs=1e-5)


def test_without_a_rise_the_rate_begins_at_its_peak() -> None:
    assert float(CosineWithWarmup(peak=3.0, steps=10, warmup_steps=0)(0)) == pytest.approx(3.0)


def test_the_schedule_survives_being_saved() -> None:
    settings = CosineWithWarmup(peak=3.0, steps=10, warmup_steps=2).get_config()
    assert CosineWithWarmup.from_config(settings).get_config() == settings


def test_there_is_no_history_before_the_first_epoch(tmp_path: Path) -> None:
    assert read_history(tmp_path / "log.csv") == []


@pytest.mark.usefixtures("small_network")
def test_what_would_stop_the_run_is_said_before_its_folder_is_made(data: Path, tmp_path: Path) -> None:
    for config, sentence in (
        (replace(CONFIG, loss="hinge"), "loss must be one of"),
        (replace(CONFIG, start_from="absent.weights.h5"), "start_from is absent.weights.h5, which does not exist"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=sentence):
            train(config, tmp_path / "run", data=data, verbose=0)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_refused_in_a_sentence(data: Path, tmp_path: Path) -> None:
    build_network(arch="unet-small", size=32).save_weights(tmp_path / "other.weights.h5")
    config = replace(CONFIG, start_from=str(tmp_path / "other.weights.h5"))
    with pytest.raises(WeightsError, match="does not fit the network or is damaged: its convolutions are those of an"):
        train(config, tmp_path / "run", data=data, verbose=0)


def test_the_command_says_what_is_wrong_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--config", str(tmp_path / "absent.toml"), "--workdir", str(tmp_path / "run")])
    assert stopped.value.code == 1
    assert "absent.toml" in capsys.readouterr().err


@pytest.mark.usefixtures("small_network")
def test_architecture_and_loss_can_be_named_on_the_command_line(data: Path, tmp_path: Path) -> None:
    config, run = write_config(tmp_path), tmp_path / "run"
    command = ["--config", str(config), "--workdir", str(run), "--data", str(data), "--verbose", "0"]
    main([*command, "--arch", "unet-small", "--loss", "focal-tversky"])
    written = json.loads((run / "config.json").read_text())
    assert (written["arch"], written["loss"]) == ("unet-small", "focal-tversky")


@pytest.mark.usefixtures("small_network")
def test_fold_and_beginning_can_be_named_on_the_command_line(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    command = ["--config", str(config), "--data", str(data), "--verbose", "0"]
    main([*command, "--workdir", str(tmp_path / "base"), "--hold-out", "fold=1/2"])
    begun = str(tmp_path / "base" / "best.weights.h5")
    main([*command, "--workdir", str(tmp_path / "arm"), "--hold-out", "fold=1/2", "--start-from", begun])
    written = json.loads((tmp_path / "arm" / "config.json").read_text())
    assert (written["hold_out"], written["start_from"]) == ("fold=1/2", begun)


@pytest.mark.usefixtures("small_network")
def test_weights_that_saw_who_validates_are_refused_before_a_folder_is_made(data: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, stages=(replace(STAGE, epochs=1),))
    best = train(config, tmp_path / "all", data=data, verbose=0)
    with pytest.raises(ValueError, match="who validate here"):
        train(replace(config, hold_out="fold=1/2", start_from=str(best)), tmp_path / "fold", data=data, verbose=0)
    assert not (tmp_path / "fold").exists()
