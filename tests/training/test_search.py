from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.pruners import MedianPruner
from optuna.trial import TrialState

from tests.training.drawn import write_data
from tests.training.small import build_small
from training import train as training
from training.learning.config import Config, Stage
from training.learning.halt import Halt, Halted
from training.learning.space import Choices, Range, Space
from training.learning.study import ATTEMPTS, alone_with, next_trial, open_study, pin, settle
from training.report.trials import CAUTION, summarise, write_report
from training.search import Lookout, main, search

ROOT = Path(__file__).parents[2]
STAGE = Stage(size=32, epochs=3, batch_size=2, learning_rate=1e-2)
CONFIG = Config("index.csv", (STAGE,), seed=1)
SPACE: Space = {"lung_weight": Range(0.0, 1.0, whole=False), "patience": Choices((3, 7))}
EAGER = MedianPruner(n_startup_trials=1, n_warmup_steps=0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


def opened(file: Path) -> AbstractContextManager[optuna.Study]:
    return open_study(file, create=True, pruner=EAGER)


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


class Peak:
    """Stands for training: three epochs that rise to a figure, highest where the lung weighs 0.3."""

    def __init__(self, *, falls_at: Sequence[int] = (), halts_at: int = -1, worse_from: int = 99) -> None:
        self.falls_at, self.halts_at, self.worse_from = falls_at, halts_at, worse_from
        self.ran: list[tuple[str, Config]] = []

    def __call__(self, config: Config, folder: Path, lookout: Lookout) -> float:
        number = lookout.trial.number
        self.ran.append((folder.name, config))
        if number in self.falls_at:
            raise ValueError(f"trial {number}\ncannot | learn")
        figure = 0.9 - (config.lung_weight - 0.3) ** 2 - 0.5 * (number >= self.worse_from)
        for epoch in range(3):
            if number == self.halts_at and epoch == 1:
                lookout.halt.number = signal.SIGTERM
            lookout.epoch(epoch, figure * (epoch + 1) / 3)
        return figure


def run(study: optuna.Study, objective: Peak, *, trials: int, folder: Path, halt: Halt | None = None) -> None:
    search(study, CONFIG, SPACE, objective, trials=trials, workdir=folder, halt=halt or Halt())


def test_each_trial_runs_a_configuration_of_the_space_in_a_folder_of_its_own(file: Path) -> None:
    objective = Peak()
    with opened(file) as study:
        run(study, objective, trials=3, folder=file.parent)
        trials = study.get_trials()
    assert [name for name, _ in objective.ran] == ["trial-0000", "trial-0001", "trial-0002"]
    for trial, (_, config) in zip(trials, objective.ran, strict=True):
        assert trial.params == {"lung_weight": config.lung_weight, "patience": config.patience}
        assert 0.0 <= config.lung_weight <= 1.0
        assert (config.stages, config.seed) == (CONFIG.stages, CONFIG.seed)
    assert len({config.lung_weight for _, config in objective.ran}) == 3


def test_a_search_in_two_parts_draws_what_one_in_one_part_draws(tmp_path: Path) -> None:
    drawn = {}
    for name, parts in (("one", [12]), ("two", [5, 12])):
        for trials in parts:
            with open_study(tmp_path / name, create=True) as study:
                run(study, Peak(), trials=trials, folder=tmp_path)
                drawn[name] = [trial.params for trial in study.get_trials()]
    assert drawn["one"] == drawn["two"]
    assert len(drawn["one"]) == 12


def test_a_search_that_is_done_runs_nothing(file: Path) -> None:
    with opened(file) as study:
        run(study, Peak(), trials=1, folder=file.parent)
        objective = Peak()
        run(study, objective, trials=1, folder=file.parent)
    assert objective.ran == []


def test_a_trial_that_lags_behind_is_pruned(file: Path) -> None:
    with opened(file) as study:
        run(study, Peak(worse_from=1), trials=2, folder=file.parent)
        assert states(study) == ["COMPLETE", "PRUNED"]
        assert len(study.get_trials()[1].intermediate_values) == 1


def test_a_trial_that_fails_is_kept_with_its_reason_and_not_run_again(file: Path) -> None:
    with opened(file) as study:
        run(study, Peak(falls_at=[0]), trials=2, folder=file.parent)
    objective = Peak(worse_from=0)
    with opened(file) as study:
        run(study, objective, trials=3, folder=file.parent)
        assert states(study)[:2] == ["FAIL", "COMPLETE"]
        assert study.get_trials()[0].user_attrs["reason"] == "ValueError: trial 0\ncannot | learn"
    assert [name for name, _ in objective.ran] == ["trial-0002"]


def test_a_figure_that_is_no_number_is_a_failure(file: Path) -> None:
    with opened(file) as study:
        search(study, CONFIG, SPACE, lambda *_: float("nan"), trials=1, workdir=file.parent, halt=Halt())
        assert states(study) == ["FAIL"]
        assert study.get_trials()[0].user_attrs["reason"] == "its validation Dice is nan"


class Exhausted(Exception):
    """Stands for TensorFlow's ResourceExhaustedError, which is of no common kind."""


@pytest.mark.parametrize("error", [Exhausted("no memory for (64, 512)"), MemoryError("much"), KeyError("typo")])
def test_whatever_a_trial_raises_is_kept_and_logged_and_the_next_one_runs(
    error: Exception, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def large(config: Config, folder: Path, lookout: Lookout) -> float:
        if lookout.trial.number == 0:
            raise error
        return 0.5

    with opened(file) as study:
        search(study, CONFIG, SPACE, large, trials=2, workdir=file.parent, halt=Halt())
        assert states(study) == ["FAIL", "COMPLETE"]
        assert study.get_trials()[0].user_attrs["reason"] == f"{type(error).__name__}: {error}"
    assert "raise error" in caplog.text


def test_trouble_of_the_machine_ends_the_search_and_not_the_trial(file: Path) -> None:
    def full(config: Config, folder: Path, lookout: Lookout) -> float:
        raise OSError("no space left")

    with opened(file) as study:
        with pytest.raises(OSError, match="no space left"):
            search(study, CONFIG, SPACE, full, trials=1, workdir=file.parent, halt=Halt())
        assert states(study) == ["RUNNING"]
        assert study.get_trials()[0].user_attrs["attempts"] == 0
        run(study, Peak(), trials=1, folder=file.parent)
        assert states(study) == ["COMPLETE"]


def test_an_order_to_stop_does_not_count_as_an_attempt(file: Path) -> None:
    with opened(file) as study:
        with pytest.raises(Halted) as halted:
            run(study, Peak(halts_at=0), trials=2, folder=file.parent)
        assert halted.value.status == 143
        (trial,) = study.get_trials()
        assert (trial.state, trial.user_attrs["attempts"]) == (TrialState.RUNNING, 0)
        objective = Peak()
        run(study, objective, trials=2, folder=file.parent)
        first, _ = study.get_trials()
    assert objective.ran[0][1].lung_weight == trial.params["lung_weight"] == first.params["lung_weight"]
    assert first.user_attrs["attempts"] == 1


def test_a_trial_that_is_cut_off_again_and_again_fails(file: Path) -> None:
    with opened(file) as study:
        for attempt in range(1, ATTEMPTS + 1):
            trial = next_trial(study, 2, seed=1)
            assert trial is not None
            assert (trial.number, trial.user_attrs["attempts"]) == (0, attempt)
        other = next_trial(study, 2, seed=1)
        assert other is not None
        assert other.number == 1
        assert study.get_trials()[0].user_attrs["reason"] == "cut off 3 times"


def test_a_study_is_not_gone_on_with_for_something_else(file: Path) -> None:
    with opened(file) as study:
        pin(study, {"space": {"a": [1, 2]}, "data set": {"index.csv": "0f"}})
    with opened(file) as study:
        pin(study, {"space": {"a": (1, 2)}, "data set": {"index.csv": "0f"}})
        with pytest.raises(ValueError, match="the study was begun with another data set: go on with that one, or"):
            pin(study, {"space": {"a": [1, 2]}, "data set": {"index.csv": "1e"}})


def test_a_study_goes_on_in_its_own_folder_alone(file: Path) -> None:
    runs, moved = file.parent / "runs", file.parent / "moved"
    with opened(file) as study:
        settle(study, runs)
        run(study, Peak(), trials=1, folder=runs)
        with pytest.raises(ValueError, match=f"the study's runs lie in {runs}, not in {moved}: name that one"):
            settle(study, moved)
        runs.rename(moved)
        settle(study, moved)
        assert study.user_attrs["workdir"] == str(moved)


def test_a_new_study_does_not_take_the_runs_of_another_for_its_own(file: Path) -> None:
    old, unknown = file.parent / "old", file.parent / "unknown"
    (unknown / "trial-0000").mkdir(parents=True)
    with opened(file) as study, opened(file.with_name("new.db")) as new:
        settle(study, old)
        with pytest.raises(ValueError, match="old is the folder of another study: go on with that one, or"):
            settle(new, old)
        with pytest.raises(ValueError, match="unknown holds trials of another study"):
            settle(new, unknown)
        settle(new, file.parent / "free")
        settle(new, file.parent / "free")


def test_two_searches_do_not_share_a_study(file: Path) -> None:
    with alone_with(file):
        with pytest.raises(ValueError, match="another search works on"), alone_with(file):
            pass
    with alone_with(file):
        pass


def test_a_file_that_is_no_study_is_refused(file: Path) -> None:
    file.write_text("not a data base, and long enough to be read as the head of one " * 20)
    with pytest.raises(ValueError, match="holds no study of a search"), opened(file):
        pass
    with pytest.raises(FileNotFoundError, match="name the study of a search"), open_study(file / "a", create=False):
        pass


def test_looking_for_a_study_makes_none(file: Path) -> None:
    for content in (b"", b"no data base"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="holds no study of a search"), open_study(file, create=False):
            pass
        assert file.read_bytes() == content
    with pytest.raises(FileNotFoundError), open_study(file.parent / "absent" / "a.db", create=False):
        pass
    assert not (file.parent / "absent").exists()


def test_nothing_explains_figures_that_are_all_alike(file: Path) -> None:
    with opened(file) as study:
        search(study, CONFIG, SPACE, lambda *_: 0.5, trials=4, workdir=file.parent, halt=Halt())
        assert summarise(study)["importance"] is None


def test_the_report_tells_what_was_found_and_what_it_is_worth(file: Path) -> None:
    folder = file.parent / "report"
    pruner = MedianPruner(n_startup_trials=4, n_warmup_steps=0)
    with open_study(file, create=True, pruner=pruner) as study:
        run(study, Peak(falls_at=[1], worse_from=6), trials=8, folder=file.parent)
        write_report(study, folder)
        best = study.best_trial
    found = json.loads((folder / "report.json").read_text())
    assert found["best"]["number"] == best.number
    assert found["best"]["parameters"] == best.params
    assert [trial["number"] for trial in found["trials"]] == list(range(8))
    assert found["counts"]["fail"] == 1
    assert [trial["state"] for trial in found["trials"]][6:] == ["pruned", "pruned"]
    assert sum(found["importance"].values()) == pytest.approx(1.0)
    text = (folder / "report.md").read_text()
    assert CAUTION in text
    assert f"Best: trial {best.number} with {best.value:.4f}" in text
    assert "| 1 | fail |  | 0 | 1 |" in text
    assert "ValueError: trial 1 cannot \\| learn |" in text
    assert (folder / "trials.svg").read_text().startswith("<svg")


def test_a_search_that_has_found_nothing_says_so(file: Path) -> None:
    with opened(file) as study:
        write_report(study, file.parent)
        assert summarise(study)["best"] is None
    assert "No trial has come to its end yet." in (file.parent / "report.md").read_text()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data")).parent


@pytest.fixture
def command(data: Path, tmp_path: Path) -> list[str]:
    """The options of a real search of two trials, with two stages of two epochs each."""
    stage = "[[stages]]\nsize = 32\nepochs = 2\nbatch_size = 2\nlearning_rate = 1e-2\n"
    (tmp_path / "config.toml").write_text(f'manifest = "index.csv"\nseed = 1\n{stage}{stage}')
    (tmp_path / "space.toml").write_text("stages.2.learning_rate = {low = 1e-3, high = 1e-1, log = true}\n")
    named = {"config": "config.toml", "space": "space.toml", "study": "study.db", "workdir": "runs"}
    files = [part for name, file in named.items() for part in (f"--{name}", str(tmp_path / file))]
    return [*files, "--trials", "2", "--data", str(data)]


def begin(command: Sequence[str]) -> subprocess.Popen[str]:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "tests.training.searched", *command], cwd=ROOT, **pipes)


def follow(process: subprocess.Popen[str], epochs: int) -> list[str]:
    """Return what is told after some epochs, and let all but the last of them go on."""
    assert process.stdin is not None and process.stdout is not None
    lines = []
    for number in range(epochs):
        if number:
            process.stdin.write("\n")
            process.stdin.flush()
        lines.append(process.stdout.readline().strip())
    return lines


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(command: list[str], tmp_path: Path) -> None:
    with begin(command) as process:
        told = follow(process, 3)
        # In the second stage of the first trial, before its first epoch is backed up.
        process.kill()
    assert [line.rpartition(" ")[0] for line in told] == ["0 0", "0 1", "0 2"]
    with begin(command) as process:
        told += follow(process, 2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate("\n", timeout=60)
    assert process.returncode == 143
    assert said.splitlines()[-1] == "stopped by SIGTERM; the same command goes on where it was left"
    assert "Traceback" not in said
    # The epoch that was not backed up is run again.
    assert [line.rpartition(" ")[0] for line in told[3:]] == ["0 2", "0 3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build_network", build_small)
        main(command)
        patched = [
            *command[:6],
            *command[8:],
            "--workdir",
            str(tmp_path / "whole"),
            "--study",
            str(tmp_path / "whole.db"),
        ]
        main(patched)
    cut, whole = (json.loads((tmp_path / folder / "report.json").read_text()) for folder in ("runs", "whole"))
    assert [trial["attempts"] for trial in cut["trials"]] == [2, 1]
    for trial, wanted in zip(cut["trials"], whole["trials"], strict=True):
        assert trial["parameters"] == wanted["parameters"]
        assert trial["value"] == pytest.approx(wanted["value"], rel=1e-3)
        assert (trial["state"], trial["epochs"]) == (wanted["state"], wanted["epochs"]) == ("complete", 4)


def test_the_command_says_what_is_wrong_in_a_sentence(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    missing = [part for part in command if part not in ("--trials", "2")]
    for arguments, sentence in (
        (missing, "give --config, --space and --trials, or --report alone"),
        ([*command, "--report"], "study.db does not exist: name the study of a search"),
        ([*command, "--config", "absent.toml"], "absent.toml: No such file or directory"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 1
        assert sentence in capsys.readouterr().err


def test_another_space_is_refused_and_the_report_is_written_without_one(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "build_network", build_small)
    main([*command, "--trials", "1"])
    (tmp_path / "space.toml").write_text("lung_weight = {low = 0.1, high = 0.5}\n")
    with pytest.raises(SystemExit):
        main(command)
    assert "the study was begun with another space" in capsys.readouterr().err
    (tmp_path / "runs" / "report.md").unlink()
    main(["--study", str(tmp_path / "study.db"), "--workdir", str(tmp_path / "runs"), "--report"])
    assert "1 complete" in (tmp_path / "runs" / "report.md").read_text()


def test_what_only_training_would_refuse_is_refused_before_the_study_is_made(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.toml").write_text('arch = {choices = ["unet", "vgg"]}\n')
    with pytest.raises(SystemExit):
        main(command)
    assert "'vgg'" in capsys.readouterr().err
    assert not (tmp_path / "study.db").exists()
