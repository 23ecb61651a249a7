"""Weights + manifest -> report; training.report.build says what is written.

python -m training.evaluate --weights runs/first/best.weights.h5 --manifest index.csv --out DIR
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.card import SHIPPED_WEIGHTS, read_card
from model.engine import Engine
from model.findings import LUNG_THRESHOLD, lesion_mask
from model.network import ARCHITECTURES, DEFAULT, load_network
from model.options import threshold as read_threshold
from training.commands import count, input_size, sentences
from training.data.dataset import MANIFEST, Row, describe_manifest, read_manifest, read_sample
from training.data.sample import UNKNOWN, Sample
from training.learning.history import read_history
from training.learning.networks import load_any, reader
from training.measures.appearance import measure_appearance
from training.measures.calibration import near_lesions
from training.measures.curves import count_probabilities
from training.measures.finding import CANDIDATES
from training.measures.lesions import count_lesions
from training.measures.metrics import called_share, overlap
from training.measures.results import SliceResult
from training.measures.robustness import measure_robustness, spread_evenly
from training.measures.sanity import SLICES as SANITY_SLICES
from training.measures.sanity import MapPair, Sanity, check_explanations, keras_weights_of
from training.measures.surfaces import compare_surfaces
from training.measures.uncertainty import flip_disagreement
from training.report.build import SEED, Evaluation, Stage, write_report
from training.report.numbers import three_digits
from training.report.panels import draw_maps, draw_panels

SHOWN_MAPS = 3

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]


def evaluate(
    engine: Engine, rows: Sequence[Row], *, threshold: float = 0.5, quality: bool = False, flips: bool = False
) -> list[SliceResult]:
    """Hold a network's answers against the masks, slice by slice, at each slice's own height and width.

    Parameters
    ----------
    threshold : probability from which a pixel is lesion, above 0 and below 1.
    quality : read each slice by the mean of four looks, see `model.look.look_closely`.
    flips : measure the disagreement between flips too, which takes four more predictions per slice.

    Raises
    ------
    ValueError : there is no row, the threshold is out of range, or a mask has pixels that are UNKNOWN.
    """
    if not rows:
        raise ValueError("rows is empty: there is nothing to evaluate")
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold must be above 0 and below 1, got {threshold}")
    read = reader(engine, quality=quality)
    results = []
    for row in tqdm(rows, unit="slice", disable=None):
        sample = read_sample(row)
        _refuse_unknown(row, sample)
        result = _compare(row, sample, read(sample.image), threshold=threshold)
        if flips:
            result = replace(result, disagreement=flip_disagreement(engine, sample.image, threshold=threshold))
        results.append(result)
    return results


def _refuse_unknown(row: Row, sample: Sample) -> None:
    """Raise where a mask holds pixels of which nobody knows: there is nothing to hold an answer against."""
    for file, mask in ((row.mask, sample.lesion), (row.lung, sample.lung)):
        if mask is not None and (mask == UNKNOWN).any():
            raise ValueError(
                f"{file} has pixels of {UNKNOWN}, which nobody knows to be foreground or not: evaluation needs masks "
                "that are drawn"
            )


def _compare(row: Row, sample: Sample, answer: FloatArray, *, threshold: float) -> SliceResult:
    """Compare a sample with (H, W, C) float32 probabilities: lesion and, where C is 2, lung."""
    probability = np.ascontiguousarray(answer[..., 0])
    truth, called = sample.lesion > 0, lesion_mask(probability, threshold)
    lung = answer[..., 1] >= LUNG_THRESHOLD if answer.shape[-1] > 1 else None
    # What model.bounds sets to 0.0 stays there at any temperature, so it tells nothing about one.
    near = near_lesions(truth, called) & (probability > 0.0)
    return SliceResult(
        row=row,
        lesion=overlap(truth, called),
        lung=None if lung is None or sample.lung is None else overlap(sample.lung > 0, lung),
        called_share=None if lung is None else called_share(called, lung),
        surface=compare_surfaces(truth, called),
        lesions=count_lesions(truth, called),
        histogram=count_probabilities(probability, truth),
        near=count_probabilities(probability[near], truth[near]),
        scores={name: score(probability) for name, score in CANDIDATES.items()},
        appearance=measure_appearance(sample.image),
    )


def read_stages(workdirs: Sequence[Path], weights: Sequence[Path]) -> dict[str, Stage]:
    """Return the epochs of each stage of some training runs, in order.

    Without folders of runs they are those that the card beside the weights tells, if there is one; of several weights
    none, since they did not follow one another.
    """
    if workdirs:
        return {
            str(folder): read_history(folder / "log.csv")
            for workdir in workdirs
            for folder in sorted(workdir.glob("stage*-*"))
        }
    card = read_card(weights[0]) if len(weights) == 1 else {}
    stages = [stage for run in card.get("training", []) for stage in run["epochs"]]
    return {f"{number}: {stage['stage']}": stage["history"] for number, stage in enumerate(stages, start=1)}


def check_sanity(
    weights: Sequence[Path], results: Sequence[SliceResult], *, threshold: float, arch: str, size: int
) -> tuple[Sanity, list[MapPair]] | None:
    """Check the explanations of the Keras form of some weights where they rightly call something, at the size read at.

    None where there is no such form or slice, where there are several weights, and for another architecture than the
    default: maps are those of one network, and of the layers of that one. The maps are those of SHOWN_MAPS slices.
    """
    keras_weights = keras_weights_of(weights[0]) if len(weights) == 1 and arch == DEFAULT else None
    called = [result for result in results if result.lesion.true_positive_px > 0]
    rows = spread_evenly([result.row for result in called], SANITY_SLICES)
    if keras_weights is None or not rows:
        return None
    network = load_network(keras_weights, size=size)
    return check_explanations(network, rows, threshold=threshold, rng=np.random.default_rng(SEED), keep=SHOWN_MAPS)


def _by_truth(results: Sequence[SliceResult]) -> tuple[list[Row], list[Row]]:
    """Return the rows with lesion in the truth, and those without."""
    ill = [result.row for result in results if result.lesion_px > 0]
    return ill, [result.row for result in results if result.lesion_px == 0]


def measure(engine: Engine, rows: Sequence[Row], options: argparse.Namespace) -> Evaluation:
    """Measure everything that the command line asks for."""
    threshold, read = options.threshold, reader(engine, quality=options.quality)
    results = evaluate(engine, rows, threshold=threshold, quality=options.quality, flips=options.flips)
    ill, well = _by_truth(results)
    chosen = [*spread_evenly(ill, options.robustness), *spread_evenly(well, options.robustness)]
    about = {
        "model_id": engine.identity.model_id,
        "sha256": engine.identity.sha256,
        "weights": ", ".join(file.name for file in options.weights),
        "manifest": describe_manifest(options.manifest),
        "split": options.split,
        "architecture": options.arch,
        "size": engine.input_size,
        "quality": options.quality,
        "threshold": threshold,
    }
    sanity, maps = check_sanity(
        options.weights, results, threshold=threshold, arch=options.arch, size=engine.input_size
    ) or (None, [])
    return Evaluation(
        about=about,
        results=results,
        robustness=measure_robustness(read, [*map(read_sample, chosen)], threshold=threshold) if chosen else None,
        sanity=sanity,
        stages=read_stages(options.workdir, options.weights),
        panels=draw_panels(read, results, threshold=threshold) if options.pictures else (),
        maps=draw_maps(maps) if options.pictures else (),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, evaluate, write the report; what is wrong goes to standard error, with status 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        rows = [row for row in read_manifest(options.manifest) if row.split == options.split]
        if not rows:
            raise ValueError(f"{options.manifest} has no row with split {options.split!r}")
        engine = load_any(options.weights, arch=options.arch, size=options.size)
        # Before the long work: a folder that cannot be made should be known at once.
        options.out.mkdir(parents=True, exist_ok=True)
        report = write_report(measure(engine, rows, options), options.out)
        dice = three_digits(report["overall"]["all"]["lesion_dice"])
        log.info("lesion Dice %s on %d slices, see %s", dice, len(rows), options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Measure weights on a data set.")
    add = parser.add_argument
    add(
        "--weights",
        type=Path,
        nargs="+",
        default=[SHIPPED_WEIGHTS],
        help="what model.engine.load_engine reads; several are averaged (default: the shipped ones)",
    )
    add("--arch", default=DEFAULT, choices=sorted(ARCHITECTURES), help="of the network (default: %(default)s)")
    add("--manifest", type=Path, default=MANIFEST, help="as training.prepare writes it (default: %(default)s)")
    add("--out", type=Path, required=True, help="folder for the report")
    add("--split", default="val", help="which rows of the manifest (default: %(default)s)")
    add("--threshold", type=read_threshold, default=0.5, help="of the lesion (default: %(default)s)")
    add("--size", type=input_size, help="side of the input (default: what the architecture is made for)")
    add("--quality", action="store_true", help="read each slice by the mean of four looks")
    add(
        "--workdir",
        type=Path,
        nargs="+",
        default=[],
        help="folders of the training runs, for the learning curves (default: those in the weights' card)",
    )
    add(
        "--robustness",
        type=count,
        default=0,
        metavar="N",
        help="perturb N slices with and N without lesion (default: %(default)s)",
    )
    add(
        "--flips",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure uncertainty: four more readings a slice",
    )
    add(
        "--pictures", action=argparse.BooleanOptionalAction, default=True, help="show pixels of the scans in the report"
    )
    return parser


if __name__ == "__main__":
    main()
