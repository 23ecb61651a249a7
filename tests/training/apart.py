"""A process of tests.training.test_distribution: it trains on drawn slices.

KERAS_BACKEND=jax python -m tests.training.apart DATA OUT [the options of several processes]

OUT/whole is a run that nobody cut, OUT/processK.json what process K tells. Two processes are refused some runs as well,
do one that is cut and goes on, OUT/cut, and begin a last one that has no end; they say so on standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import keras

from tests.training.interrupt import Interrupt, Interrupted
from tests.training.small import build_small
from training import train as training
from training.learning.config import Config, Stage
from training.learning.distribution import add_options, join
from training.learning.team import Team

# Of 5 slices that validate, the last comes alone; of 9 that train, one is left out of each epoch.
STAGES = (
    Stage(size=32, epochs=2, batch_size=4, learning_rate=1e-2),
    Stage(size=64, epochs=2, batch_size=4, learning_rate=1e-2, warmup_epochs=1.0),
)
CONFIG = Config("index.csv", STAGES, seed=1, averaging=0.5)


class Say(keras.callbacks.Callback):  # type: ignore[misc]
    """Say that the first epoch is done."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if epoch == 0:
            sys.stdout.write("begun\n")
            sys.stdout.flush()


def cut(epochs_before: int) -> keras.callbacks.Callback:
    """Stop the second stage before its second epoch."""
    return Interrupt(before=1 if epochs_before else -1)


def refused(config: Config, data: Path, out: Path, team: Team) -> str:
    """Return the sentence by which a run is refused."""
    try:
        training.train(config, out / "refused", data=data, verbose=0, team=team)
    except (OSError, ValueError) as exc:
        return str(exc)
    return "it ran"


def weights(out: Path, team: Team) -> str:
    """Return the path of a file, one for all, that each process finds something else in."""
    folder = out / f"home{team.process}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "begun.h5").write_bytes(bytes([team.process]))
    os.chdir(folder)
    return "begun.h5"


def lighter(data: Path, out: Path) -> Path:
    """Return a copy of the data in which one pixel of a slice that validates is lighter."""
    copy = Path(shutil.copytree(data, out / "lighter"))
    file = str(copy / "9_image.png")
    image = cv2.imread(file, cv2.IMREAD_GRAYSCALE)
    assert image is not None
    image[0, 0] += 1
    cv2.imwrite(file, image)
    return copy


def refusals(data: Path, out: Path, team: Team) -> dict[str, str]:
    odd = replace(CONFIG, stages=(replace(STAGES[0], batch_size=3),))
    return {
        "another seed": refused(replace(CONFIG, seed=team.process), data, out, team),
        "other weights": refused(replace(CONFIG, start_from=weights(out, team)), data, out, team),
        "other slices": refused(CONFIG, lighter(data, out) if team.process else data, out, team),
        "no data": refused(CONFIG, data / "absent" if team.process else data, out, team),
        "no division": refused(odd, data, out, team),
        "not shared": refused(CONFIG, data, out / str(team.process), team),
    }


def cut_and_resume(data: Path, out: Path, team: Team) -> None:
    # All are cut off at once: none has to be told.
    with contextlib.suppress(Interrupted), patch.object(training, "LeaveAtOnce", contextlib.nullcontext):
        training.train(CONFIG, out / "cut", data=data, verbose=0, team=team, watch=cut)
    training.train(CONFIG, out / "cut", data=data, resume=True, verbose=0, team=team)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    add_options(parser)
    options = parser.parse_args()
    with patch.object(training, "build_network", build_small), patch.object(training, "FIND_S", 1.0):
        train_all(options)


def train_all(options: argparse.Namespace) -> None:
    team = join(options)
    report: dict[str, Any] = {"devices": team.devices, "processes": team.processes}
    if team.processes > 1:
        report["refusals"] = refusals(options.data, options.out, team)
    training.train(CONFIG, options.out / "whole", data=options.data, verbose=0, team=team)
    if team.processes > 1:
        cut_and_resume(options.data, options.out, team)
    (options.out / f"process{team.process}.json").write_text(json.dumps(report))
    if team.processes > 1:
        endless = replace(CONFIG, stages=(replace(STAGES[0], epochs=1_000_000),), patience=1_000_000)
        training.train(endless, options.out / "endless", data=options.data, verbose=0, team=team, watch=lambda _: Say())


if __name__ == "__main__":
    main()
