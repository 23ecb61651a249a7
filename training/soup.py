"""Several trained networks -> one, by the mean of their weights: a "soup" (Wortsman et al., ICML 2022).

python -m training.soup --weights runs/a/best.weights.h5 runs/b/best.weights.h5 --shares 1 2 --out runs/soup

It helps where the networks were trained on from one common beginning, and costs nothing when serving. OUT is a folder
like that of a run: best.weights.h5, and a config.json that holds the configuration of the last run named and what went
in, so that `training.rulers` measures it.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.network import DEFAULT, build_network, load_network
from training.commands import sentences

log = logging.getLogger(__name__)


def cook(weights: Sequence[Path], shares: Sequence[float], out: Path, *, arch: str = DEFAULT, size: int = 64) -> Path:
    """Write the weighted mean of several files of Keras weights.

    Parameters
    ----------
    shares : above 0, one for each file; they are divided by their sum.
    out : the file to write.
    size : of the network that is built on the way; weights of a convolutional network do not depend on it.

    Returns
    -------
    `out`.

    Raises
    ------
    WeightsError : a file is missing, damaged or does not fit.
    ValueError : there is no file, not one share for each, or a share that is not above 0.
    """
    if not weights or len(weights) != len(shares):
        raise ValueError(f"each file needs one share, got {len(weights)} files and {len(shares)} shares")
    if not all(share > 0.0 for share in shares):
        raise ValueError(f"shares must be above 0, got {list(shares)}")
    parts = np.asarray(shares, np.float64) / np.sum(shares)
    every = [load_network(file, arch=arch, size=size).get_weights() for file in weights]
    mixed = build_network(arch=arch, size=size, classes=every[0][-1].shape[0])
    mixed.set_weights(
        [sum(part * array for part, array in zip(parts, arrays, strict=True)) for arrays in zip(*every, strict=True)]
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    mixed.save_weights(out)
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(prog="python -m training.soup", description="Average the weights of networks.")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="best.weights.h5 in folders of runs")
    parser.add_argument("--shares", type=float, nargs="+", help="of each file (default: all alike)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shares = options.shares or [1.0] * len(options.weights)
    with sentences(parser):
        if options.out.exists():
            raise FileExistsError(f"{options.out} is there already: choose another folder or remove it")
        config = json.loads((options.weights[-1].parent / "config.json").read_text(encoding="utf-8"))
        cook(options.weights, shares, options.out / "best.weights.h5", arch=config.get("arch", DEFAULT))
        config["soup"] = {file.as_posix(): share for file, share in zip(options.weights, shares, strict=True)}
        (options.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        log.info("wrote %s", options.out)


if __name__ == "__main__":
    main()
