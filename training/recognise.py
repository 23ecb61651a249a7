"""Pictures that are or are not chest CT -> the head that tells them apart, and how well it does.

python -m training.recognise --out model/weights/groundglass-2.kinds.npz
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.card import SHIPPED_WEIGHTS, file_sha256
from model.decode.ct import CtSlice
from model.decode.picture import decode_picture
from model.engine import SeeingEngine, can_see, load_engine
from model.errors import WeightsError
from model.recognise.head import Head
from model.recognise.judge import CHEST, SHIPPED_HEAD, SIDEWAYS, SOFT, UPSIDE_DOWN, Recogniser, features_of
from training.commands import sentences
from training.data.augment import lung_box
from training.data.dataset import DATA_FOLDER, MANIFEST, Row, read_gray, read_manifest
from training.data.strokes import ByteImage
from training.measures.robustness import spread_evenly

log = logging.getLogger(__name__)

SEED = 0
TRAINING_SLICES = 400
COMPONENTS, STRENGTH = 200, 0.01
"""Principal components of the features, and 1 / the penalty of the logistic regression: chosen by four folds by patient
or picture on what is fitted, from 200, 300 and 600, and 0.003, 0.01 and 0.03."""

TURNS: dict[str, tuple[Callable[[ByteImage], ByteImage], ...]] = {
    UPSIDE_DOWN: (lambda image: image[::-1], lambda image: image[::-1, ::-1]),
    SIDEWAYS: (lambda image: np.rot90(image, 1), lambda image: np.rot90(image, 3)),
}


@dataclass(frozen=True)
class Example:
    """A picture and what it shows.

    group : what a report counts it under. colour_share : as in `model.decode.ct.CtSlice`.
    """

    image: ByteImage
    kind: str
    group: str
    colour_share: float = 0.0

    def as_slice(self) -> CtSlice:
        """Return it as decoding gives it."""
        return CtSlice(self.image, (0.0, 255.0), colour_share=self.colour_share)


def pictures(folder: Path, use: str) -> Iterator[Example]:
    """Yield the pictures of an index.csv with the columns image, kind, expect and use, as they are."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["use"] == use:
                ct_slice = decode_picture((folder / line["image"]).read_bytes())
                kind = kind_of(line["kind"], line["expect"])
                yield Example(ct_slice.as_bytes(), kind, line["kind"], ct_slice.colour_share)


def kind_of(kind: str, expect: str) -> str:
    """Return what is told of a picture, by its row: all that is to be accepted is a chest CT."""
    if expect == "accept":
        return CHEST
    if expect == "either":
        return SOFT
    return "abdominal CT" if kind == "pelvic CT" else kind


def fitted_examples(folder: Path, rows: Sequence[Row]) -> Iterator[Example]:
    """Yield what the head is fitted on: pictures and slices, varied too, and chest CT turned and in another window."""
    rng = np.random.default_rng(SEED)
    for picture in pictures(folder, "fit"):
        yield picture
        # There are few of the abdomen, and they are nearest to what is to be accepted.
        for _ in range(4 if picture.kind == "abdominal CT" else 2):
            yield Example(varied(picture.image, rng), picture.kind, picture.group)
        if picture.kind == CHEST:
            yield from turned(varied(picture.image, rng), picture.group)
    for number, row in enumerate(rows):
        slice_ = read_gray(row.image)
        part = to_lungs(slice_, row)
        yield Example(slice_, CHEST, "training slice")
        yield Example(varied(slice_, rng), CHEST, "training slice")
        if part is not None:
            yield Example(part if number % 2 else varied(part, rng), CHEST, "training slice, cut to the lungs")
        if number % 2:
            source = part if part is not None and number % 4 == 1 else slice_
            yield list(turned(varied(source, rng), "training slice"))[(number // 2) % 4]
            yield Example(in_soft_tissue(slice_, rng), SOFT, "training slice, soft-tissue window")


def reported_examples(folder: Path, rows: Sequence[Row]) -> Iterator[Example]:
    """Yield what nothing was fitted on: the other pictures, and the validation slices."""
    rng = np.random.default_rng(SEED)
    for picture in pictures(folder, "report"):
        yield picture
        if picture.kind == CHEST:
            yield from turned(picture.image, picture.group)
    for number, row in enumerate(rows):
        slice_ = read_gray(row.image)
        part = to_lungs(slice_, row)
        yield Example(slice_, CHEST, "validation slice")
        if part is not None:
            yield Example(part, CHEST, "validation slice, cut to the lungs")
        if number % 3 == 0:
            yield from turned(slice_, "validation slice")
            yield Example(in_soft_tissue(slice_, rng), SOFT, "validation slice, soft-tissue window")


def turned(image: ByteImage, group: str) -> Iterator[Example]:
    """Yield a chest CT in each wrong position."""
    for kind, turns in TURNS.items():
        for turn in turns:
            yield Example(np.ascontiguousarray(turn(image)), kind, f"{group}, {kind}")


def varied(image: ByteImage, rng: np.random.Generator) -> ByteImage:
    """Return a picture cut a little, perhaps mirrored, in another contrast, and as JPEG."""
    height, width = image.shape
    top, bottom, left, right = rng.uniform(0.0, 0.12, 4)
    part = image[int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    contrast, shift = rng.uniform(0.75, 1.3), rng.uniform(-25.0, 25.0)
    changed = np.clip((part.astype(np.float32) - 127.5) * contrast + 127.5 + shift, 0.0, 255.0).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def in_soft_tissue(image: ByteImage, rng: np.random.Generator) -> ByteImage:
    """Return a slice, stored in the window of -1250 to 250 HU, in a narrow one about water."""
    hounsfield = image / 255.0 * 1500.0 - 1250.0
    width, low = rng.uniform(300.0, 450.0), rng.uniform(-200.0, -110.0)
    return np.asarray(np.clip((hounsfield - low) / width * 255.0, 0.0, 255.0), np.uint8)


def to_lungs(image: ByteImage, row: Row) -> ByteImage | None:
    """Return a slice cut to its lungs; None where they were not drawn, or are a sliver."""
    box = None if row.lung is None else lung_box(read_gray(row.lung))
    if box is None or box[1] - box[0] < 48:
        return None
    return np.ascontiguousarray(image[box[0] : box[1], box[2] : box[3]])


def fit(features: NDArray[np.float32], kinds: Sequence[str], *, encoder_sha256: str) -> Head:
    """Fit a head: standardised principal components, logistic regression with kinds of equal weight, as one linear map.

    features : (N, F). kinds : of each.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    first, second = StandardScaler(), StandardScaler()
    pca = PCA(min(COMPONENTS, *features.shape), random_state=SEED, svd_solver="randomized")
    reduced = second.fit_transform(pca.fit_transform(first.fit_transform(features.astype(np.float64))))
    regression = LogisticRegression(C=STRENGTH, max_iter=500, class_weight="balanced").fit(reduced, kinds)
    weights = regression.coef_ / second.scale_ @ pca.components_ / first.scale_
    bias = regression.intercept_ - regression.coef_ / second.scale_ @ (pca.components_ @ pca.mean_ + second.mean_)
    bias = bias - weights @ first.mean_
    names = tuple(str(kind) for kind in regression.classes_)
    return Head(names, weights.astype(np.float32), bias.astype(np.float32), encoder_sha256)


def load_seeing(weights: Path) -> SeeingEngine:
    """Load a network whose encoder tells what it sees.

    Raises
    ------
    WeightsError : as `model.engine.load_engine`, or it is not in OpenVINO form.
    """
    engine = load_engine(weights)
    if not can_see(engine):
        raise WeightsError(f"{weights} does not tell what its encoder sees: name a network in OpenVINO form, .xml")
    return engine


def seen_by(engine: SeeingEngine, examples: Iterator[Example]) -> tuple[NDArray[np.float32], list[str]]:
    """Return what a network sees of examples, (N, F) float32, and the kinds of them.

    Raises
    ------
    WeightsError : it does not tell.
    """
    features, kinds = [], []
    for example in tqdm(examples, unit="picture", disable=None):
        features.append(features_of(example.as_slice(), engine))
        kinds.append(example.kind)
    return np.stack(features), kinds


def write_card(head: Path, examples: Mapping[str, int]) -> None:
    """Write the card beside a head: its hash, how many pictures of each kind it was fitted on, and its licence."""
    content = {
        "sha256": {head.name: file_sha256(head)},
        "fitted_on": dict(sorted(examples.items())),
        "licence": "CC BY-NC-SA 4.0",
    }
    head.with_suffix(".json").write_text(f"{json.dumps(content, indent=1)}\n", encoding="utf-8")


def rates(recogniser: Recogniser, examples: Iterator[Example]) -> str:
    """Return by group how many are refused and what they were taken for, as Markdown."""
    found: dict[tuple[str, str], Counter[str]] = {}
    refused: Counter[tuple[str, str]] = Counter()
    for example in tqdm(examples, unit="picture", disable=None):
        answer = recogniser.recognise(example.as_slice())
        key = (example.kind, example.group)
        found.setdefault(key, Counter())[answer.kind] += 1
        refused[key] += answer.refused
    lines = ["| What it is | pictures | refused | taken for |", "|---|---|---|---|"]
    for key, kinds in found.items():
        told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(4))
        lines.append(f"| {key[1]} | {kinds.total()} | {refused[key] / kinds.total():.3f} | {told} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, fit, write head and report; what is wrong goes to standard error, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m training.recognise", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, default=DATA_FOLDER / "refusal", help="folder with index.csv")
    parser.add_argument("--manifest", type=Path, default=MANIFEST)
    parser.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS, help="of the encoder, in OpenVINO form")
    parser.add_argument("--out", type=Path, default=SHIPPED_HEAD)
    parser.add_argument("--report", type=Path, help="where the table of rates goes")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        rows = read_manifest(options.manifest)
        engine = load_seeing(options.weights)
        train = spread_evenly([row for row in rows if row.split == "train"], TRAINING_SLICES)
        features, kinds = seen_by(engine, fitted_examples(options.pictures, train))
        head = fit(features, kinds, encoder_sha256=engine.identity.sha256)
        head.save(options.out)
        write_card(options.out, Counter(kinds))
        held_out = [row for row in rows if row.split == "val"]
        table = rates(Recogniser(head, engine), reported_examples(options.pictures, held_out))
        log.info("%s", table)
        if options.report:
            options.report.write_text(f"{table}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
