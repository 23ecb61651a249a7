"""One network trained by several devices or processes, each with its rows of every batch; with Keras' JAX backend.

KERAS_BACKEND=jax python -m training.train ... --processes 2 --process 0 --coordinator 10.0.0.1:5000
KERAS_BACKEND=jax python -m training.train ... --processes 2 --process 1 --coordinator 10.0.0.1:5000

Loss, normalisation and figures are those of the whole batch, as in one process; the devices add up by themselves.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
from numpy.typing import NDArray

from model.options import address, at_least_one
from training.commands import count
from training.data.dataset import SliceBatches
from training.learning.rollcall import Address, call_the_roll
from training.learning.team import ALONE, Team, leave_when_stopped

WAIT_S = 60
"""How long processes wait for each other at the start, unless told otherwise."""


class SharedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """The rows of batches that one process feeds, as `SliceBatches` gives them.

    What validates comes in batches of one size: slices of which nothing is known, and which count for nothing, fill
    the last. Devices want equal parts, and JAX would compile anew for another size.
    """

    def __init__(self, batches: SliceBatches, team: Team) -> None:
        super().__init__(workers=1)
        self.batches, self.team = batches, team

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        places = self.batches.places(index)
        rows = self.team.rows(len(places) if self.batches.trains else self.batches.batch_size)
        size = self.batches.size
        images, truths = (
            np.zeros((len(rows), size, size, 1), np.float32),
            np.zeros((len(rows), size, size, 4), np.float32),
        )
        for number, row in enumerate(rows):
            if row < len(places):
                images[number], truths[number] = self.batches.read(places[row])
        return images, truths

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's order and augmentation."""
        self.batches.on_epoch_end()


def share(batches: SliceBatches, team: Team) -> keras.utils.PyDataset:
    """Return what this process feeds of some batches: all of them where TensorFlow trains, which is alone."""
    return SharedBatches(batches, team) if keras.backend.backend() == "jax" else batches


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of training by several processes."""
    group = parser.add_argument_group("several processes", "start each with its number; with KERAS_BACKEND=jax only")
    group.add_argument("--processes", type=at_least_one, metavar="N", help="how many there are")
    group.add_argument("--process", type=count, metavar="K", help="which this is, from 0")
    group.add_argument("--coordinator", type=address, metavar="HOST:PORT", help="where process 0 can be reached")
    group.add_argument(
        "--wait", type=at_least_one, metavar="S", help=f"seconds until all are there (default: {WAIT_S})"
    )


def join(options: argparse.Namespace) -> Team:
    """Find the other processes and the devices of all, and let Keras train on all of these from now on.

    Raises
    ------
    ConnectionError : the other processes are not there.
    ValueError : the options or the devices do not go together.
    """
    _check(options)
    if options.processes is not None and options.processes > 1:
        _connect(options.coordinator, options.process, options.processes, options.wait or WAIT_S)
    if keras.backend.backend() != "jax":
        return ALONE
    import jax

    team = Team(jax.process_index(), jax.process_count(), jax.device_count())
    team.agree(jax.local_device_count(), "number of devices")
    if team.devices > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return team


def _check(options: argparse.Namespace) -> None:
    given = [value is not None for value in (options.processes, options.process, options.coordinator)]
    if not any(given) and options.wait is None:
        return
    if not all(given):
        raise ValueError("--processes, --process and --coordinator belong together: give all three")
    if options.process >= options.processes:
        raise ValueError(f"--process must be below --processes, {options.processes}, got {options.process}")
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"several processes train with Keras' JAX backend only, and this is {keras.backend.backend()}: "
            "start it with KERAS_BACKEND=jax"
        )


def _connect(coordinator: Address, process: int, processes: int, seconds: int) -> None:
    import jax

    call_the_roll(coordinator, process, processes, seconds=seconds)
    leave_when_stopped(process)
    # JAX would take SIGTERM for a notice, and go on.
    jax.config.update("jax_enable_preemption_service", False)  # type: ignore[no-untyped-call]
    host, port = coordinator
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # Keras' own initialize() does the same, but has no bounds of time, and listens on every address of the machine.
    jax.distributed.initialize(
        where,
        processes,
        process,
        initialization_timeout=seconds,
        shutdown_timeout_seconds=30,
        coordinator_bind_address=where,
    )
