"""Pictures without masks -> masks by teachers, kept only where they agree.

python -m training.pseudo --weights runs/a/best.weights.h5 runs/b/best.weights.h5 \
    --manifest ../shared/data/ct-pictures/index.csv --group series --unlikely label=non-covid --out runs/pseudo-1
python -m training.pseudo --weights runs/a/best.weights.h5 \
    --manifest ../shared/data/ct-extra/index.csv --group patient --healthy infection=0 --only-healthy \
    --exclude patient=P001 --out runs/negatives

Every teacher sees every picture under several views (training.learning.teachers). A pixel is lesion or lung where they
are for it, none where they are against it, by the thresholds below, and UNKNOWN between. OUT/index.csv is a manifest
whose rows all train, OUT/labels.json says how they were labelled.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.card import file_sha256
from training.commands import sentences
from training.data.dataset import describe_manifest, read_gray
from training.data.labels import refuse_labels, write_labels, write_picture
from training.data.sample import UNKNOWN
from training.data.strokes import ByteImage
from training.data.tables import Condition, parse_condition, read_table
from training.learning.teachers import Agreement, ask, load_teachers

log = logging.getLogger(__name__)

CALLED, SEEN = 0.4, 0.15
"""A pixel is lesion where the mean is at least CALLED and nobody is below SEEN: teachers see too little of what is
unlike their own scans, rarely too much."""

CLEAR, HIGHEST = 0.1, 0.35
"""A pixel of sure lung is free of lesion where the mean is at most CLEAR and nobody is above HIGHEST."""

SURE, LEAST = 0.65, 0.4
"""A pixel is lung where the mean is at least SURE and nobody is below LEAST; not lung where 1 - p is so."""

HIGHEST_DOUBT = 0.5
"""A picture is left out where more than this share of what may be lesion is UNKNOWN, and it is no mere speck."""

SPECK = 0.01
"""Of the lung: what is smaller decides nothing about a picture."""

UNLIKELY_SHARE = 0.02
"""Of the lung: where a picture is not expected to show lesions, what is called below this is called wrongly."""


def label_lung(probability: Agreement) -> ByteImage:
    """Return (H, W) uint8: 255 where there is lung for sure, 0 where there is none for sure, else UNKNOWN.

    What lies between the lungs is never surely not lung: a teacher takes dense consolidation for chest wall, and would
    pass that on.
    """
    mean, least, highest = (part[..., 1] for part in (probability.mean, probability.least, probability.highest))
    there = (mean >= SURE) & (least >= LEAST)
    absent = (mean <= 1.0 - SURE) & (highest <= 1.0 - LEAST) & ~_hull(there)
    return np.where(there, 255, np.where(absent, 0, UNKNOWN)).astype(np.uint8)


def label_lesion(probability: Agreement, lung: ByteImage) -> ByteImage:
    """Return (H, W) uint8: 255 where there is lesion, 0 where there is none for sure, else UNKNOWN.

    Surely none is only in sure lung, and where there is surely no lung; see `label_lung`, which `lung` comes from.
    """
    mean, least, highest = (part[..., 0] for part in (probability.mean, probability.least, probability.highest))
    there = (mean >= CALLED) & (least >= SEEN)
    absent = (mean <= CLEAR) & (highest <= HIGHEST) & (lung != UNKNOWN)
    return np.where(there, 255, np.where(absent, 0, UNKNOWN)).astype(np.uint8)


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (H, W) bool: the convex hull of a mask, empty where the mask is."""
    points = cv2.findNonZero(mask.astype(np.uint8))
    hull = np.zeros(mask.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return hull > 0


def judge(lesion: ByteImage, lung: ByteImage, *, unlikely: bool) -> ByteImage | None:
    """Return the lesion mask to train on, (H, W) uint8, or None where a picture is of no use.

    Parameters
    ----------
    unlikely : the picture is not expected to show lesions: little is taken for none, much is kept as it is.
    """
    area = np.count_nonzero((lung == 255) | (lesion == 255))
    if area == 0:
        return None
    called = np.count_nonzero(lesion == 255)
    # What is no sure lung is no doubt about lesions: it may be heart.
    doubtful = np.count_nonzero((lesion == UNKNOWN) & (lung == 255))
    if unlikely and called <= UNLIKELY_SHARE * area:
        return np.zeros_like(lesion)
    if doubtful > SPECK * area and doubtful > HIGHEST_DOUBT * (called + doubtful):
        return None
    return lesion


@dataclass(frozen=True)
class Rules:
    """What the manifest says about lesions beyond the teachers."""

    group: str  # the column that plays the patient
    healthy: tuple[Condition, ...] = ()  # surely without lesion
    unlikely: tuple[Condition, ...] = ()  # hardly with lesion
    exclude: tuple[Condition, ...] = ()  # not taken at all
    only_healthy: bool = False


def label_pictures(weights: Sequence[Path], manifest: Path, out: Path, *, rules: Rules, sizes: Sequence[int]) -> Path:
    """Write masks and their manifest; return its path.

    Raises
    ------
    FileExistsError : `out` holds a manifest already.
    ValueError : a column that the rules name is missing, or no picture is left.
    """
    refuse_labels(out)
    lines = _read(manifest, rules)
    teachers = load_teachers(weights, sizes)
    rows = []
    for number, line in enumerate(tqdm(lines, unit="picture", disable=None)):
        picture = manifest.parent / line["image"]
        agreement = ask(teachers, read_gray(picture))
        masks = _masks(agreement, line, rules)
        if masks is not None:
            rows.append(_write(out, picture, masks, number) | {"source": line["source"], "patient": line[rules.group]})
    if not rows:
        raise ValueError(f"the teachers agree on none of {len(lines)} pictures: train them longer")
    log.info("%d of %d pictures in %s", len(rows), len(lines), out)
    return write_labels(out, rows, describe_labels(weights, sizes, manifest, rules))


def describe_labels(weights: Sequence[Path], sizes: Sequence[int], manifest: Path, rules: Rules) -> dict[str, Any]:
    """Return how labels were made: the teachers with their SHA-256, the pictures, the rules, the thresholds."""
    teachers = [
        {"weights": file.as_posix(), "sha256": file_sha256(file), "size": size}
        for file, size in zip(weights, sizes, strict=True)
    ]
    return {
        "made_by": "training.pseudo",
        "teachers": teachers,
        "manifest": describe_manifest(manifest),
        "rules": asdict(rules),
        "thresholds": {"called": CALLED, "seen": SEEN, "clear": CLEAR, "highest": HIGHEST, "sure": SURE, "least": LEAST}
        | {"highest_doubt": HIGHEST_DOUBT, "speck": SPECK, "unlikely_share": UNLIKELY_SHARE},
    }


def _read(manifest: Path, rules: Rules) -> list[dict[str, str]]:
    named = {rules.group, *(one.column for one in (*rules.healthy, *rules.unlikely, *rules.exclude))}
    lines = read_table(manifest, sorted({"image", "source", *named}))
    kept = [line for line in lines if not _any(rules.exclude, line)]
    taken = [line for line in kept if _any(rules.healthy, line) or not rules.only_healthy]
    if not taken:
        raise ValueError(f"{manifest} has no picture that --healthy, --only-healthy and --exclude leave")
    return taken


def _any(conditions: Sequence[Condition], line: dict[str, str]) -> bool:
    return any(condition.holds(line) for condition in conditions)


def _masks(agreement: Agreement, line: dict[str, str], rules: Rules) -> tuple[ByteImage, ByteImage] | None:
    """Return lesion and lung of one picture, None where it is left out."""
    lung = label_lung(agreement)
    lesion = label_lesion(agreement, lung)
    if _any(rules.healthy, line):
        return np.zeros_like(lesion), lung
    judged = judge(lesion, lung, unlikely=_any(rules.unlikely, line))
    return None if judged is None else (judged, lung)


def _write(out: Path, picture: Path, masks: tuple[ByteImage, ByteImage], number: int) -> dict[str, object]:
    lesion, lung = (
        write_picture(out, f"{kind}/{number:05d}_{picture.stem}.png", mask)
        for kind, mask in zip(("lesion", "lung"), masks, strict=True)
    )
    return {"image": str(picture.resolve()), "mask": lesion, "lung": lung, "slice": number, "split": "train"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and label; what is wrong goes to standard error, with status 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rules = Rules(
        options.group, tuple(options.healthy), tuple(options.unlikely), tuple(options.exclude), options.only_healthy
    )
    with sentences(parser):
        sizes = options.size * len(options.weights) if len(options.size) == 1 else options.size
        label_pictures(options.weights, options.manifest, options.out, rules=rules, sizes=sizes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.pseudo", description="Label pictures by teachers.")
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="Keras weights of the teachers")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with the columns image and source")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--group", required=True, help="column that holds the patient, or what stands for one")
    parser.add_argument(
        "--size", type=int, nargs="+", default=[448], help="of the teachers' input, one or one for each"
    )
    parser.add_argument("--only-healthy", action="store_true", help="take nothing but what --healthy names")
    for name, what in (
        ("healthy", "surely show no lesion"),
        ("unlikely", "hardly show one"),
        ("exclude", "are left out"),
    ):
        parser.add_argument(
            f"--{name}", type=parse_condition, nargs="+", default=[], metavar="COLUMN=VALUE", help=f"which {what}"
        )
    return parser


if __name__ == "__main__":
    main()
