"""Search for a configuration: python -m training.search --config training/configs/default.toml \\
    --space training/configs/search/default.toml --study runs/search/study.db --trials 30 --workdir runs/search

STUDY                the trials, in SQLite; a search that was stopped or killed goes on from it to --trials in all
STUDY.lock           held while a search works on it
WORKDIR/study.json   which study the runs are of; with another one, the folder is refused
WORKDIR/trial-0007/  the run of a trial, as training.train leaves it; a trial that was cut off goes on there
WORKDIR/report.md    what was found, with report.json and trials.svg; --report writes it anew and searches no further
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.trial import Trial, TrialState

from model.card import file_sha256
from model.options import at_least_one
from training.commands import sentences
from training.data.dataset import DATA_FOLDER
from training.learning import study as studies
from training.learning.config import Config, as_dict, read_config
from training.learning.halt import Halt, Halted, heeding_signals
from training.learning.history import MONITOR, read_history
from training.learning.space import Space, as_plain, corners, put, read_space
from training.report.trials import write_report
from training.train import check_config, train

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lookout:
    """What a trial tells while it runs, and is told."""

    trial: Trial
    halt: Halt

    def step(self) -> None:
        """Raise Halted where somebody has ordered to stop."""
        self.halt.check()

    def epoch(self, number: int, figure: float) -> None:
        """Tell the figure after an epoch, counted from 0 over all stages; raise TrialPruned where it is not enough."""
        self.halt.check()
        studies.report(self.trial, number, figure)


Objective = Callable[[Config, Path, Lookout], float]
"""Runs a configuration in a folder of its own, from where it was left there; returns the figure that it comes to."""


class Tell(keras.callbacks.Callback):  # type: ignore[misc]
    """Tell a lookout each epoch's validation Dice."""

    def __init__(self, lookout: Lookout, epochs_before: int) -> None:
        super().__init__()
        self.lookout, self.epochs_before = lookout, epochs_before

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Let the run be left here."""
        self.lookout.step()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Tell the figure."""
        self.lookout.epoch(self.epochs_before + epoch, float((logs or {})[MONITOR]))


def search(
    study: optuna.Study, config: Config, space: Space, objective: Objective, *, trials: int, workdir: Path, halt: Halt
) -> None:
    """Run trials until a study has `trials` in all.

    Raises
    ------
    Halted : somebody has ordered to stop; the trial that ran goes on the next time, and the attempt does not count.
    OSError : the machine is at fault, and the same holds.
    """
    while (trial := studies.next_trial(study, trials, seed=config.seed)) is not None:
        try:
            run_trial(trial, config, space, objective, workdir=workdir, halt=halt)
        except (Halted, OSError):
            studies.put_back(trial)
            raise


def run_trial(trial: Trial, config: Config, space: Space, objective: Objective, *, workdir: Path, halt: Halt) -> None:
    """Run a trial to its end, and keep what it came to: a figure, that it was pruned, or why it failed."""
    halt.check()
    study, folder = trial.study, workdir / f"trial-{trial.number:04d}"
    try:
        values = studies.suggest(trial, space)
        log.info("trial %d: %s", trial.number, values)
        figure = objective(put(config, values), folder, Lookout(trial, halt))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    # An OSError is no fault of the trial's: it ends the search, and the trial is begun again the next time.
    except (Halted, OSError):
        raise
    # What a framework raises where memory runs out is of no common kind. An error of the program is in the log, whole.
    except Exception as exc:
        log.exception("trial %d fails", trial.number)
        studies.fail(study, trial.number, f"{type(exc).__name__}: {exc}")
    else:
        studies.complete(study, trial, figure)
    log.info("trial %d: %s", trial.number, study.get_trials(deepcopy=False)[trial.number].state.name.lower())


def trained(data: Path, verbose: int) -> Objective:
    """Return the objective that trains: the best validation Dice of the last stage."""

    def run(config: Config, folder: Path, lookout: Lookout) -> float:
        # The networks of earlier trials are not needed any more.
        keras.utils.clear_session()
        train(config, folder, data=data, resume=True, verbose=verbose, watch=partial(Tell, lookout))
        last = folder / f"stage{len(config.stages)}-{config.stages[-1].size}"
        return max(float(row[MONITOR]) for row in read_history(last / "log.csv"))

    return run


def facts(config: Config, space: Space, data: Path) -> dict[str, Any]:
    """Return what makes the trials of a study comparable: it is not gone on with where one of these is another."""
    files = {config.manifest: data / config.manifest} | {name: Path(name) for name in _further(config)}
    return {
        "configuration": as_dict(config),
        "space": as_plain(space),
        "data set": {name: file_sha256(file) for name, file in files.items()},
    }


def _further(config: Config) -> list[str]:
    """Return the files that a configuration names relative to the folder that training is started in."""
    begun = [] if config.start_from is None else [config.start_from]
    return [*(extra.manifest for extra in config.extra), *begun]


def _read(options: argparse.Namespace) -> tuple[Config, Space]:
    config = read_config(options.config)
    space = read_space(options.space, config)
    for key, value in corners(space):
        check_config(put(config, {key: value}))
    return config, space


def run(options: argparse.Namespace, halt: Halt) -> None:
    """Search as the command line says, then write the report, also where the search was stopped."""
    if not options.report and None in (options.config, options.space, options.trials):
        raise ValueError("give --config, --space and --trials, or --report alone")
    if options.report:
        with studies.open_study(options.study, create=False) as study:
            write_report(study, options.workdir)
        return
    config, space = _read(options)
    known = facts(config, space, options.data)
    with studies.alone_with(options.study), studies.open_study(options.study, create=True) as study:
        studies.pin(study, known)
        studies.settle(study, options.workdir)
        objective = trained(options.data, options.verbose)
        try:
            search(study, config, space, objective, trials=options.trials, workdir=options.workdir, halt=halt)
        finally:
            write_report(study, options.workdir)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and search."""
    parser = argparse.ArgumentParser(prog="python -m training.search", description="Search for a configuration.")
    parser.add_argument("--config", type=Path, help="the configuration that all trials begin with")
    parser.add_argument("--space", type=Path, help="which of its keys are searched; see training/configs/search")
    parser.add_argument(
        "--study", type=Path, required=True, help="SQLite file of the trials; made where it is not there"
    )
    parser.add_argument("--trials", type=at_least_one, metavar="N", help="how many the study has in the end, in all")
    parser.add_argument("--workdir", type=Path, required=True, help="folder for the runs and the report")
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the scans (default: %(default)s)")
    parser.add_argument(
        "--report", action="store_true", help="write the report of what is there, and search no further"
    )
    parser.add_argument("--verbose", type=int, default=0, choices=(0, 1, 2), help="1: progress bar, 2: line per epoch")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with sentences(parser), heeding_signals() as halt:
            run(options, halt)
    except Halted as exc:
        parser.exit(exc.status, f"{exc}; the same command goes on where it was left\n")


if __name__ == "__main__":
    main()
