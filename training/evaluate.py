"""Weights + manifest -> report; training.report says what is written.

python -m training.evaluate --weights runs/first/best.weights.h5 --manifest index.csv --out DIR
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from model.engine import Engine, load_engine
from model.findings import LUNG_THRESHOLD, Mask, lesion_mask
from model.preprocess import INPUT_SIZE, preprocess, restore
from training.dataset import Row, read_manifest, read_sample
from training.metrics import overlap
from training.report import SliceResult, summarise, three_digits, write_report

log = logging.getLogger(__name__)


def evaluate(
    engine: Engine, rows: Sequence[Row], *, threshold: float = 0.5, size: int = INPUT_SIZE
) -> list[SliceResult]:
    """Hold a network's answers against the masks, slice by slice, at each slice's own height and width.

    Parameters
    ----------
    threshold : probability from which a pixel is lesion, above 0 and below 1.
    size : side of the network's input in pixels.

    Raises
    ------
    ValueError : there is no row, or the threshold is out of range.
    """
    if not rows:
        raise ValueError("rows is empty: there is nothing to evaluate")
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold must be above 0 and below 1, got {threshold}")
    return [
        _evaluate_slice(engine, row, threshold=threshold, size=size) for row in tqdm(rows, unit="slice", disable=None)
    ]


def _evaluate_slice(engine: Engine, row: Row, *, threshold: float, size: int) -> SliceResult:
    sample = read_sample(row)
    shape = (sample.image.shape[0], sample.image.shape[1])
    answer = restore(engine.predict(preprocess(sample.image, size=size)[np.newaxis])[0], shape)
    called = lesion_mask(answer[..., 0], threshold)
    lesion = overlap(sample.lesion > 0, called)
    if "lung" not in engine.channels:
        return SliceResult(row, lesion, None, None)
    lung = answer[..., 1] >= LUNG_THRESHOLD
    known = None if sample.lung is None else overlap(sample.lung > 0, lung)
    return SliceResult(row, lesion, known, _called_share(called, lung))


def _called_share(called: Mask, lung: Mask) -> float:
    """Return which share of the predicted lung is called lesion; 0.0 where neither is predicted.

    Lesion counts as lung, as in model.findings: what is called outside the lung counts as well. The predicted lung
    is taken since slices without lesion may have no lung mask.
    """
    area = int(np.count_nonzero(called | lung))
    return int(np.count_nonzero(called)) / area if area else 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, evaluate, write the report."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Measure weights on a data set.")
    parser.add_argument("--weights", type=Path, required=True, help="what model.engine.load_engine reads")
    parser.add_argument("--manifest", type=Path, required=True, help="a CSV as training.prepare writes it")
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument("--split", default="val", help="which rows of the manifest (default: %(default)s)")
    parser.add_argument("--threshold", type=float, default=0.5, help="of the lesion (default: %(default)s)")
    parser.add_argument("--size", type=int, default=INPUT_SIZE, help="side of the input (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = [row for row in read_manifest(options.manifest) if row.split == options.split]
    if not rows:
        parser.error(f"{options.manifest} has no row with split {options.split!r}")
    engine = load_engine(options.weights)
    results = evaluate(engine, rows, threshold=options.threshold, size=options.size)
    about = {name: str(getattr(options, name)) for name in ("weights", "manifest", "split")}
    about |= {"model_id": engine.identity.model_id, "sha256": engine.identity.sha256}
    write_report(results, options.out, about | {"threshold": options.threshold, "size": options.size})
    log.info(
        "lesion Dice %s on %d slices, see %s", three_digits(summarise(results).lesion_dice), len(rows), options.out
    )


if __name__ == "__main__":
    main()
