"""Everything of a request but the network, step by step: PNG -> overlay PNG with its colour bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.contestant import timed
from benchmarks.figures import Figures, spread
from benchmarks.weights import SERVED_WEIGHTS
from model.decode.picture import decode_picture
from model.engine import Engine, FloatArray, Seen, load_engine, see
from model.findings import measure as measure_findings
from model.look import bounded
from model.overlay import overlay, overlay_png
from model.phantom import EXAMPLES, SIZE, draw_phantom
from model.png import encode_png
from model.preprocess import preprocess, restore
from model.recognise.judge import load_recogniser
from model.segment import segment
from model.threshold import DEFAULT_THRESHOLD

PAUSE_S = 0.005


@dataclass
class Remembered:
    """A network that gives the answer of another at once, so that what is timed is everything else."""

    engine: Engine
    answer: Seen

    def __post_init__(self) -> None:
        self.identity, self.channels, self.input_size = (
            self.engine.identity,
            self.engine.channels,
            self.engine.input_size,
        )

    def predict(self, batch: FloatArray) -> FloatArray:
        """Return a copy of the answer, as an engine returns a new array; see `model.engine.Engine.predict`."""
        return self.answer.probability.copy()

    def see(self, batch: FloatArray) -> Seen:
        """Return the same with the features; see `model.engine.SeeingEngine.see`."""
        return self.answer._replace(probability=self.predict(batch))


def remembered(engine: Engine, png: bytes) -> Remembered:
    """Return what gives at once what a network answers to a picture."""
    ct_slice = decode_picture(png)
    network_input = preprocess(ct_slice.pixels, value_range=ct_slice.value_range)
    return Remembered(engine, see(engine, network_input[np.newaxis]))


def drawn_png(side: int) -> bytes:
    """Return a phantom with several lesions as PNG, 8-bit gray, of so many pixels by so many."""
    picture = draw_phantom(EXAMPLES["many"])
    if side != SIZE:
        shrinks = cv2.INTER_AREA if side < SIZE else cv2.INTER_LINEAR
        picture = np.asarray(cv2.resize(picture, (side, side), interpolation=shrinks), np.uint8)
    return encode_png(picture)


def without_network(png: bytes, engine: Engine) -> Callable[[], bytes]:
    """Return a function that does all that is done for a picture, but ask the network."""
    quick, recogniser = remembered(engine, png), load_recogniser(engine)
    return lambda: overlay_png(segment(png, quick, recogniser=recogniser))


def steps(png: bytes, engine: Engine) -> Mapping[str, Callable[[], object]]:
    """Return the steps of the same by name, each on what the one before it gave."""
    ct_slice = decode_picture(png)
    quick, recogniser = remembered(engine, png).answer, load_recogniser(engine)
    answer = quick.probability[0]
    features = None if quick.features is None else quick.features[0]
    restored = restore(answer, ct_slice.shape)
    inside = bounded(restored, engine)
    lesion = np.ascontiguousarray(inside[..., 0])
    lung = np.ascontiguousarray(inside[..., 1]) if "lung" in engine.channels else None
    drawn = overlay(ct_slice.as_bytes(), lesion, threshold=DEFAULT_THRESHOLD)
    return {
        "decode": lambda: decode_picture(png),
        "preprocess": lambda: preprocess(ct_slice.pixels, value_range=ct_slice.value_range),
        "recognise": lambda: recogniser.by_features(features),
        "restore": lambda: restore(answer, ct_slice.shape),
        "bound": lambda: bounded(restored, engine),
        "measure": lambda: measure_findings(lesion, lung, threshold=DEFAULT_THRESHOLD),
        "draw": lambda: overlay(ct_slice.as_bytes(), lesion, threshold=DEFAULT_THRESHOLD),
        "encode": lambda: encode_png(drawn),
    }


def measure(*, quick: bool) -> Figures:
    """Return the milliseconds of the whole and of its steps, by turns."""
    png, engine = drawn_png(SIZE), load_engine(SERVED_WEIGHTS)
    all_of_them = {"whole": without_network(png, engine), **steps(png, engine)}
    ms = by_turns(all_of_them, rounds=5 if quick else 60)
    return {"side": SIZE, "whole_ms": ms.pop("whole"), "steps_ms": ms}


def by_turns(functions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Figures]:
    """Return the milliseconds of functions, called by turns, three times each, of which the first does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            time.sleep(PAUSE_S)
            seconds[name] += [timed(function) for _ in range(3)][1:]
    return {name: spread(values, times=1000.0) for name, values in seconds.items()}
