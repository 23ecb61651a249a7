"""Slices whose lesions were not drawn, but which are known to show some or none -> how well they are told apart.

python -m training.screen --manifest ../shared/data/ct-extra/index.csv --only patient=P001 --present infection=1 \\
    --out docs/report/slice-labels.json
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from model.card import SHIPPED_WEIGHTS
from model.engine import Engine
from training.commands import sentences
from training.data.dataset import describe_manifest, read_gray
from training.data.tables import Condition, parse_condition, read_table
from training.learning.networks import load_any, reader
from training.measures.finding import CANDIDATES, FINDING_SCORE, auc

log = logging.getLogger(__name__)


def screen(
    engine: Engine, pictures: Sequence[Path], present: Sequence[bool], *, quality: bool = False
) -> dict[str, Any]:
    """Score pictures and compare the scores with what is known.

    Parameters
    ----------
    present : for each picture, whether it shows a lesion.

    Returns
    -------
    Numbers of slices with and without, and the area under the ROC curve of each score of training.measures.finding.

    Raises
    ------
    ValueError : there is not one truth for each picture, or all are alike: there is nothing to tell apart.
    """
    if len(pictures) != len(present):
        raise ValueError(f"each picture needs one truth, got {len(pictures)} pictures and {len(present)}")
    if len(set(present)) < 2:
        raise ValueError(f"of {len(pictures)} pictures {sum(present)} show a lesion: both kinds are needed")
    read = reader(engine, quality=quality)
    probabilities = (
        np.ascontiguousarray(read(read_gray(picture))[..., 0]) for picture in tqdm(pictures, unit="slice", disable=None)
    )
    scores = np.array([[score(one) for score in CANDIDATES.values()] for one in probabilities], np.float64)
    truth = np.array(present, np.bool_)
    return {
        "slices_with_lesion": int(truth.sum()),
        "slices_without_lesion": int((~truth).sum()),
        "score": FINDING_SCORE,
        "auc": {name: round(auc(scores[:, number], truth), 4) for number, name in enumerate(CANDIDATES)},
    }


def read_labels(manifest: Path, only: Sequence[Condition], present: Condition) -> tuple[list[Path], list[bool]]:
    """Return pictures of the lines that fulfil all of `only`, and whether each fulfils `present`.

    Raises
    ------
    ValueError : a column is missing, or no line is left.
    """
    named = {"image", present.column, *(condition.column for condition in only)}
    kept = [line for line in read_table(manifest, sorted(named)) if all(condition.holds(line) for condition in only)]
    if not kept:
        raise ValueError(f"{manifest} has no line with {', '.join(f'{one.column}={one.value}' for one in only)}")
    return [manifest.parent / line["image"] for line in kept], [present.holds(line) for line in kept]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, write; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.screen", description="Tell slices with lesions apart.")
    add = parser.add_argument
    add("--weights", type=Path, nargs="+", default=[SHIPPED_WEIGHTS], help="as in training.evaluate")
    add("--manifest", type=Path, required=True, help="CSV with the column image and those named below")
    add("--only", type=parse_condition, nargs="+", default=[], metavar="COLUMN=VALUE", help="which lines are taken")
    add("--present", type=parse_condition, required=True, metavar="COLUMN=VALUE", help="which of them show a lesion")
    add("--quality", action="store_true", help="read each slice by the mean of four looks")
    add("--out", type=Path, required=True, help="the JSON to write")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        pictures, present = read_labels(options.manifest, options.only, options.present)
        engine = load_any(options.weights)
        # Before the long work: a folder that cannot be made should be known at once.
        options.out.parent.mkdir(parents=True, exist_ok=True)
        found = screen(engine, pictures, present, quality=options.quality)
        content = json.dumps(_describe(engine, options) | found, indent=2, allow_nan=False)
        options.out.write_text(content + "\n", encoding="utf-8")
        log.info("AUC %s on %d slices", found["auc"][FINDING_SCORE], len(pictures))


def _describe(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "model_id": engine.identity.model_id,
        "sha256": engine.identity.sha256,
        "manifest": describe_manifest(options.manifest),
        "only": [f"{one.column}={one.value}" for one in options.only],
        "present": f"{options.present.column}={options.present.value}",
        "quality": options.quality,
    }


if __name__ == "__main__":
    main()
