"""Train the network: python -m training.train --config training/configs/default.toml --workdir runs/first

WORKDIR/config.json             the configuration
WORKDIR/stage1-256/log.csv      a line per epoch; tensorboard/ beside it
WORKDIR/stage1-256/best.weights.h5   the best epoch by validation lesion Dice
WORKDIR/stage1-256/backup/      weights, optimiser and epoch of the last epoch: what --resume continues from
WORKDIR/best.weights.h5         the best of the last stage, once all stages are done
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.network import ARCHITECTURES, build_network, find_architecture, load_into
from training.commands import sentences
from training.data.dataset import DATA_FOLDER, Row, SliceBatches, read_manifest, read_sample, read_scans
from training.data.mixture import Mixture, mix
from training.data.sample import Sample
from training.data.splits import leave_out_patients, split_rows
from training.learning.ancestry import refuse_seen, teachers
from training.learning.averaging import SaveBest, ValidateAverage, averaging
from training.learning.config import Config, Stage, as_dict, read_config
from training.learning.history import MONITOR, finished_epochs, read_history
from training.learning.losses import LOSSES, LesionLungLoss
from training.learning.schedule import CosineWithWarmup
from training.measures.metrics import training_metrics

log = logging.getLogger(__name__)


def train(config: Config, workdir: Path, *, data: Path = DATA_FOLDER, resume: bool = False, verbose: int = 1) -> Path:
    """Train all stages of a configuration.

    Parameters
    ----------
    workdir : folder for every output; must not hold another run unless `resume`.
    data : folder that the configuration's manifest is relative to.
    resume : go on after the last finished epoch.
    verbose : 0 silent, 1 progress bar, 2 a line per epoch.

    Returns
    -------
    The path of the best weights by validation lesion Dice.

    Raises
    ------
    FileExistsError : workdir holds a run and `resume` is false.
    ValueError : workdir holds a run of another configuration, a manifest leaks patients or lacks slices, or the
        weights to begin with, or a teacher of further slices, have learned from patients who validate.
    """
    _check(config)
    _refuse_other_run(config, workdir, resume=resume)
    material = _read_material(config, data)
    # Only now, so that a mistyped data folder does not leave a run to be resumed behind.
    _write_config(config, workdir)
    # The first weights are drawn from the backend's generator, which is global.
    keras.utils.set_random_seed(config.seed)
    best = None if config.start_from is None else Path(config.start_from)
    for number, stage in enumerate(config.stages, start=1):
        folder = workdir / f"stage{number}-{stage.size}"
        best = _train_stage(config, stage, folder, material, start_from=best, verbose=verbose)
    return Path(shutil.copyfile(str(best), workdir / "best.weights.h5"))


@dataclass(frozen=True)
class Material:
    """The slices of a run: the labelled ones first, then those of each further manifest."""

    training: list[Sample]
    mixture: Mixture
    validation: list[Sample]


def _check(config: Config) -> None:
    """Raise for what would stop the run only after its folder is made."""
    LesionLungLoss(config.lung_weight, config.loss or find_architecture(config.arch).default_loss)
    if config.start_from is not None and not Path(config.start_from).is_file():
        raise FileNotFoundError(f"start_from is {config.start_from}, which does not exist: train those weights first")


def _read_material(config: Config, data: Path) -> Material:
    rows = read_manifest(data / config.manifest)
    training, validation = split_rows(rows, config.hold_out)
    untouched = [*validation, *(row for row in rows if row.split == "val")]
    begun = [] if config.start_from is None else [Path(config.start_from)]
    refuse_seen(untouched, [*begun, *teachers(Path(extra.manifest) for extra in config.extra)], data)
    parts = [read_scans(_thin(training, config.max_slices))]
    for extra in config.extra:
        further = leave_out_patients(read_manifest(Path(extra.manifest)), untouched)
        parts.append(_read(further, config.max_slices))
    mixture = mix([len(part) for part in parts], [extra.share for extra in config.extra], config.slices_per_epoch)
    return Material(list(chain.from_iterable(parts)), mixture, _read(validation, config.max_slices))


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


def _read(rows: Sequence[Row], max_slices: int | None) -> list[Sample]:
    return [read_sample(row) for row in _thin(rows, max_slices)]


def _thin(rows: Sequence[Row], max_slices: int | None) -> Sequence[Row]:
    if max_slices is None:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(max_slices, len(rows)), dtype=int)]


def _train_stage(
    config: Config,
    stage: Stage,
    folder: Path,
    material: Material,
    *,
    start_from: Path | None,
    verbose: int,
) -> Path:
    """Run one stage, from where it was left; return its best weights."""
    history = read_history(folder / "log.csv")
    done = finished_epochs(folder)
    best = folder / "best.weights.h5"
    if (folder / "done").exists():
        return best
    log.info("%s: %d of %d epochs done", folder.name, done, stage.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    batches = SliceBatches(
        material.training,
        size=stage.size,
        batch_size=stage.batch_size,
        seed=config.seed + stage.size,
        epoch=done,
        mixture=material.mixture,
        augmentation=config.augmentation,
    )
    network = build_network(arch=config.arch, size=stage.size, mixed_bfloat16=config.mixed_bfloat16)
    if start_from is not None:
        # Before compiling: the file also holds the optimiser of the stage before, which must not be taken over.
        load_into(network, start_from)
    _compile(network, config, stage, steps_per_epoch=len(batches))
    network.fit(
        batches,
        epochs=stage.epochs,
        validation_data=SliceBatches(material.validation, size=stage.size, batch_size=stage.batch_size),
        callbacks=_callbacks(config, folder, best, history[:done]),
        # The slices are shuffled already; Keras would shuffle the batches by a generator that a resumed run lacks.
        shuffle=False,
        verbose=verbose,
    )
    (folder / "done").touch()
    return best


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


def _callbacks(
    config: Config, folder: Path, best: Path, history: Sequence[dict[str, str]]
) -> list[keras.callbacks.Callback]:
    best_so_far = max((float(row[MONITOR]) for row in history), default=None)
    callbacks: list[keras.callbacks.Callback] = [
        *([ValidateAverage()] if config.averaging else []),
        SaveBest(best, MONITOR, best_so_far),
        # After an interruption the patience starts anew, from the best figure so far.
        keras.callbacks.EarlyStopping(MONITOR, mode="max", patience=config.patience, baseline=best_so_far),
        keras.callbacks.CSVLogger(folder / "log.csv", append=True),
    ]
    if config.schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(MONITOR, mode="max", factor=0.5, patience=3))
    if importlib.util.find_spec("tensorflow") is not None:
        callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False))
    # Last, so that an epoch that counts as done has been logged and checkpointed.
    backup = keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True, delete_checkpoint=False)
    return [*callbacks, backup]


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
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    named = {name: getattr(options, name) for name in ("arch", "loss", "hold_out", "start_from")}
    instead = {name: value for name, value in named.items() if value is not None}
    with sentences(parser):
        config = replace(read_config(options.config), **instead)
        train(config, options.workdir, data=options.data, resume=options.resume, verbose=options.verbose)


if __name__ == "__main__":
    main()
