"""What networks cost: parameters, and milliseconds for a slice on this machine, in Keras.

python -m training.cost --arch unet resnet34-unet
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import keras
import numpy as np

from model.network import ARCHITECTURES, build_network
from training.commands import count, sentences
from training.report.markdown import table

WARM_UP = 2
"""Predictions that are not timed: the first ones build the graph."""


@dataclass(frozen=True)
class Cost:
    """Of one network: its name, the side of its input, its parameters, and the median time of a slice."""

    arch: str
    size: int
    parameters: int
    milliseconds: float


def measure_cost(arch: str, *, slices: int) -> Cost:
    """Build a network at the size that it is made for, and time one prediction after another.

    Raises
    ------
    ValueError : there is no such architecture, or nothing to time.
    """
    if slices < 1:
        raise ValueError(f"slices must be at least 1, got {slices}")
    network = build_network(arch=arch)
    size = int(network.input_shape[1])
    picture = np.random.default_rng(0).random((1, size, size, 1), np.float32)
    times = [_time(network, picture) for _ in range(WARM_UP + slices)][WARM_UP:]
    return Cost(arch, size, int(network.count_params()), 1000.0 * median(times))


def _time(network: keras.Model, picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    begun = time.perf_counter()
    network.predict_on_batch(picture)
    return time.perf_counter() - begun


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, print a table; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.cost", description="Measure what networks cost.")
    parser.add_argument("--arch", nargs="+", choices=sorted(ARCHITECTURES), default=sorted(ARCHITECTURES))
    parser.add_argument("--slices", type=count, default=20, help="how many are timed (default: %(default)s)")
    options = parser.parse_args(arguments)
    with sentences(parser):
        costs = [measure_cost(arch, slices=options.slices) for arch in options.arch]
    rows = [[cost.arch, str(cost.size), f"{cost.parameters:,}", f"{cost.milliseconds:.0f}"] for cost in costs]
    sys.stdout.write(table(["Network", "Input", "Parameters", "ms per slice"], rows) + "\n")


if __name__ == "__main__":
    main()
