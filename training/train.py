"""Train the network: python -m training.train --config training/configs/default.toml --workdir runs/first

WORKDIR/config.json             the configuration
WORKDIR/stage1-256/log.csv      a line per epoch; tensorboard/ beside it
WORKDIR/stage1-256/best.weights.h5   the best epoch by validation lesion Dice
WORKDIR/stage1-256/backup/      weights, optimiser and epoch of the last epoch: what --resume continues from
WORKDIR/best.weights.h5         the best of the last stage, once all stages are done
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from model.card import file_sha256
from model.network import ARCHITECTURES, build_network, find_architecture, load_into
from training.commands import sentences
from training.data.dataset import DATA_FOLDER, SliceBatches
from training.learning.averaging import averaging
from training.learning.callbacks import closing_logs, make_callbacks
from training.learning.config import Config, Stage, as_dict, read_config
from training.learning.distribution import add_options, join, share
from training.learning.history import finished_epochs, read_history
from training.learning.losses import LOSSES, LesionLungLoss
from training.learning.material import Material, read_material
from training.learning.schedule import CosineWithWarmup
from training.learning.team import ALONE, LeaveAtOnce, Team, by_itself, find_config
from training.measures.metrics import training_metrics

log = logging.getLogger(__name__)

FIND_S = 60.0
"""How long a process waits for the file that another has written: network file systems show it late."""

Watch = Callable[[int], keras.callbacks.Callback]


def train(
    config: Config,
    workdir: Path,
    *,
    data: Path = DATA_FOLDER,
    resume: bool = False,
    verbose: int = 1,
    team: Team = ALONE,
    watch: Watch | None = None,
) -> Path:
    """Train all stages of a configuration.

    Parameters
    ----------
    workdir : folder for every output; must not hold another run unless `resume`. Processes share it.
    data : folder that the configuration's manifest is relative to.
    resume : go on after the last finished epoch.
    verbose : 0 silent, 1 progress bar, 2 a line per epoch.
    team : the processes that train together; see `training.learning.distribution`.
    watch : given how many epochs the earlier stages have, returns a callback that looks on; an error that it raises
        ends the run, which can be resumed.

    Returns
    -------
    The path of the best weights by validation lesion Dice.

    Raises
    ------
    FileExistsError : workdir holds a run and `resume` is false.
    ValueError : workdir holds a run of another configuration, a manifest leaks patients or lacks slices, the
        weights to begin with, or a teacher of further slices, have learned from patients who validate, or a batch
        cannot be divided over all devices.
    """
    with team.agreeing([as_dict(config), resume], "configuration"):
        check_config(config)
        _refuse_other_run(config, workdir, resume=resume)
        material = read_material(config, data)
        team.check_division(config, material.mixture.total)
        begun, content = _prints(config, material) if team.processes > 1 else ("", 0)
    team.agree(begun, "file in start_from")
    team.agree(content, "data set")
    with team.agreeing():
        # Only now, so that a mistyped data folder does not leave a run to be resumed behind.
        if team.leads:
            _write_config(config, workdir)
    with team.agreeing():
        find_config(workdir, seconds=0.0 if team.leads else FIND_S)
    # The first weights are drawn from the backend's generator, which is global.
    keras.utils.set_random_seed(config.seed)
    with LeaveAtOnce(team):
        return _train_stages(Run(config, workdir, material, verbose if team.leads else 0, team, watch))


@dataclass(frozen=True)
class Run:
    """What all stages have in common."""

    config: Config
    workdir: Path
    material: Material
    verbose: int
    team: Team
    watch: Watch | None


def check_config(config: Config) -> None:
    """Raise for what would stop the run only after its folder is made."""
    LesionLungLoss(config.lung_weight, config.loss or find_architecture(config.arch).default_loss)
    if config.start_from is not None and not Path(config.start_from).is_file():
        raise FileNotFoundError(f"start_from is {config.start_from}, which does not exist: train those weights first")


def _prints(config: Config, material: Material) -> tuple[str, int]:
    """Return what tells the weights to begin with, and the slices, from others of the same name."""
    begun = "" if config.start_from is None else file_sha256(Path(config.start_from))
    return begun, material.fingerprint()


def _refuse_other_run(config: Config, workdir: Path, *, resume: bool) -> None:
    """Raise where the working folder holds a run that this one must not overwrite."""
    file = workdir / "config.json"
    if not file.exists():
        return
    if not resume:
        raise FileExistsError(f"{workdir} holds a run already: continue it with --resume or choose another folder")
    if json.loads(file.read_text(encoding="utf-8")) != json.loads(json.dumps(as_dict(config))):
        raise ValueError(f"{file} is of another configuration: resume with that one or choose another folder")


def _write_config(config: Config, workdir: Path) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_dict(config), indent=2) + "\n"
    (workdir / "config.json").write_text(text, encoding="utf-8")


def _train_stages(run: Run) -> Path:
    """Run the stages one after the other; return the best weights."""
    best = None if run.config.start_from is None else Path(run.config.start_from)
    before = 0
    for number, stage in enumerate(run.config.stages, start=1):
        folder = run.workdir / f"stage{number}-{stage.size}"
        best = _train_stage(run, stage, folder, start_from=best, epochs_before=before)
        before += stage.epochs
        # The others read what the first has written.
        run.team.meet()
    final = run.workdir / "best.weights.h5"
    if run.team.leads:
        shutil.copyfile(str(best), final)
    run.team.meet()
    return final


def _train_stage(run: Run, stage: Stage, folder: Path, *, start_from: Path | None, epochs_before: int) -> Path:
    """Run one stage, from where it was left; return its best weights."""
    config, team = run.config, run.team
    history = read_history(folder / "log.csv")
    done = finished_epochs(folder)
    best = folder / "best.weights.h5"
    if (folder / "done").exists():
        return best
    log.info("%s: %d of %d epochs done", folder.name, done, stage.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    training, validation = _batches(run, stage, done)
    network = build_network(arch=config.arch, size=stage.size, mixed_bfloat16=config.mixed_bfloat16)
    if start_from is not None:
        # Before compiling: the file also holds the optimiser of the stage before, which must not be taken over.
        with by_itself():
            load_into(network, start_from)
    _compile(network, config, stage, steps_per_epoch=len(training))
    watch = [] if run.watch is None else [run.watch(epochs_before)]
    callbacks = make_callbacks(config, folder, history[:done], watch, writes=team.leads)
    with closing_logs(callbacks):
        network.fit(
            share(training, team),
            epochs=stage.epochs,
            validation_data=share(validation, team),
            callbacks=callbacks,
            # The slices are shuffled already; Keras would shuffle the batches by a generator that a resumed run lacks.
            shuffle=False,
            verbose=run.verbose,
        )
    if team.leads:
        (folder / "done").touch()
    return best


def _batches(run: Run, stage: Stage, done: int) -> tuple[SliceBatches, SliceBatches]:
    """Return what a stage trains on after some epochs, and what it validates on."""
    training = SliceBatches(
        run.material.training,
        size=stage.size,
        batch_size=stage.batch_size,
        seed=run.config.seed + stage.size,
        epoch=done,
        mixture=run.material.mixture,
        augmentation=run.config.augmentation,
    )
    return training, SliceBatches(run.material.validation, size=stage.size, batch_size=stage.batch_size)


def _compile(network: keras.Model, config: Config, stage: Stage, *, steps_per_epoch: int) -> None:
    steps = stage.epochs * steps_per_epoch
    rate: Any = stage.learning_rate
    if config.schedule == "cosine":
        rate = CosineWithWarmup(stage.learning_rate, steps, round(stage.warmup_epochs * steps_per_epoch))
    network.compile(
        optimizer=keras.optimizers.Adam(rate, **averaging(config.averaging)),
        loss=LesionLungLoss(config.lung_weight, config.loss or find_architecture(config.arch).default_loss),
        metrics=training_metrics(),
        # XLA's convolutions are slower than TensorFlow's own on a CPU; JAX always compiles.
        jit_compile=keras.backend.backend() != "tensorflow",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train the lesion network.")
    parser.add_argument("--config", type=Path, required=True, help="a TOML file, such as training/configs/default.toml")
    parser.add_argument("--workdir", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the scans (default: %(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch")
    parser.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="1: progress bar, 2: line per epoch")
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), help="in place of the configuration's")
    parser.add_argument("--loss", choices=sorted(LOSSES), help="in place of the configuration's")
    parser.add_argument("--hold-out", metavar="WHO", help="who validates, as source=NAME or fold=K/N, in its place too")
    parser.add_argument("--start-from", metavar="WEIGHTS", help="weights to begin with, in its place too")
    add_options(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    named = {name: getattr(options, name) for name in ("arch", "loss", "hold_out", "start_from")}
    instead = {name: value for name, value in named.items() if value is not None}
    with sentences(parser):
        config = replace(read_config(options.config), **instead)
        team = join(options)
        train(config, options.workdir, data=options.data, resume=options.resume, verbose=options.verbose, team=team)


if __name__ == "__main__":
    main()
