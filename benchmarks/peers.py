"""What is held against each other: each peer loads, and returns a function that does its work once.

Whatever is heavy is imported by the peer that needs it: each has a process of its own, see `benchmarks.contestant`.
"""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from benchmarks.weights import KERAS_WEIGHTS, SERVED_WEIGHTS
from model.card import SHIPPED_WEIGHTS, Identity
from model.decode.guarded import Reader
from model.decode.picture import decode_picture
from model.engine import FloatArray, OpenVinoEngine, float_form, load_engine
from model.overlay import overlay_png
from model.phantom import EXAMPLES, draw_phantom, phantom_png
from model.preprocess import preprocess
from model.recognise.judge import load_recogniser
from model.segment import segment

WHOLE_NUMBERS = "FakeQuantize"
"""Stands in an .xml whose network computes in whole numbers of 8 bits."""

Ask = Callable[[], object]
Prepare = Callable[[int], Ask]
"""Threads of the engine, 0 = one for each core, to what does the work once."""


class Absent(Exception):  # No error: a peer that is not here is told of.
    """A peer is not there; the sentence says why."""


def a_slice() -> FloatArray:
    """Return (1, 448, 448, 1) float32 in 0.0 ... 1.0: a phantom as the network takes it."""
    return preprocess(draw_phantom(EXAMPLES["many"]))[np.newaxis]


def keras_predict(threads: int = 0) -> Ask:
    """Return a function that asks the network in Keras, as its users do; all cores are TensorFlow's."""
    from model.network import load_network

    network, batch = load_network(KERAS_WEIGHTS), a_slice()
    return lambda: network.predict(batch, verbose=0)


def tf_function(threads: int = 0) -> Ask:
    """Return a function that asks the network as a graph of TensorFlow, without what `predict` does about it."""
    import tensorflow

    from model.network import load_network

    network = load_network(KERAS_WEIGHTS)
    graph, batch = tensorflow.function(lambda slices: network(slices, training=False)), a_slice()
    return lambda: np.asarray(graph(tensorflow.constant(batch)))


def onnx_runtime(threads: int = 0) -> Ask:
    """Return a function that asks ONNX Runtime, float32.

    Raises
    ------
    Absent : it, or what converts for it, is not installed.
    """
    for package in ("onnxruntime", "tf2onnx"):
        if importlib.util.find_spec(package) is None:
            raise Absent(f"{package} is not installed (requirements-bench.txt)")
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        subprocess.run([sys.executable, "-m", "benchmarks.to_onnx", str(file)], check=True, stdout=subprocess.DEVNULL)
        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(file, how, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: a_slice()}
    return lambda: session.run(None, given)[0]


def served(threads: int = 0) -> Ask:
    """Return a function that asks the network as it is served."""
    engine, batch = load_engine(SERVED_WEIGHTS, threads=threads), a_slice()
    return lambda: engine.predict(batch)


def _openvino(precision: str) -> Prepare:
    """Return what prepares the network's floating form in a precision."""

    def prepare(threads: int = 0) -> Ask:
        if precision == "bf16" and not computes_in_bfloat16():
            raise Absent("the processor has no bfloat16")
        file = float_form(SHIPPED_WEIGHTS)
        if is_in_whole_numbers(file):
            raise Absent(f"{file.name} is in whole numbers, and there is no floating form beside it")
        engine, batch = OpenVinoEngine(file, Identity(file.stem, ""), threads=threads, precision=precision), a_slice()
        return lambda: engine.predict(batch)

    return prepare


def openvino_int8(threads: int = 0) -> Ask:
    """Return a function that asks the network in whole numbers of 8 bits.

    Raises
    ------
    Absent : it is not served in that form.
    """
    file = next((file for file in (SERVED_WEIGHTS, SHIPPED_WEIGHTS) if is_in_whole_numbers(file)), None)
    if file is None:
        raise Absent("no served form is in whole numbers")
    engine, batch = OpenVinoEngine(file, Identity(file.stem, ""), threads=threads), a_slice()
    return lambda: engine.predict(batch)


def is_in_whole_numbers(file: Path) -> bool:
    """Whether an .xml of OpenVINO computes in whole numbers."""
    return file.suffix == ".xml" and WHOLE_NUMBERS in file.read_text(encoding="utf-8")


def computes_in_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor, and does not take float32 for it."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def our_request(threads: int = 0) -> Ask:
    """Return a function that reads a picture as the server does: PNG -> recognised, read, drawn -> PNG.

    The server has the file decoded by a process apart, which is a peer of its own: `guarded_decoding`. The pictures are
    the example phantoms by turns.
    """
    if threads:
        cv2.setNumThreads(threads)
    engine = load_engine(SERVED_WEIGHTS, threads=threads)
    recogniser = load_recogniser(engine, threads=threads)
    pictures = itertools.cycle([phantom_png(kind) for kind in EXAMPLES])
    return lambda: overlay_png(segment(next(pictures), engine, recogniser=recogniser))


def public_request(threads: int = 0) -> Ask:
    """Return a function that reads the same pictures in the way of public projects, see `benchmarks.public`."""
    from benchmarks.public import PublicStyle
    from model.network import load_network

    style, pictures = (
        PublicStyle(load_network(KERAS_WEIGHTS)),
        itertools.cycle([phantom_png(kind) for kind in EXAMPLES]),
    )
    return lambda: style.answer(next(pictures))


def plain_decoding(threads: int = 0) -> Ask:
    """Return a function that decodes a picture."""
    png = phantom_png("many")
    return lambda: decode_picture(png)


def guarded_decoding(threads: int = 0) -> Ask:
    """Return a function that has the same picture decoded by the process apart that the server has for it."""
    reader, png = Reader(), phantom_png("many")
    return lambda: reader.decode_picture(png)


KERAS, TF_FUNCTION, ONNX, SERVED = "Keras predict", "tf.function", "ONNX Runtime", "served"
OPENVINO_F32, OPENVINO_BF16, OPENVINO_INT8 = "OpenVINO float32", "OpenVINO bfloat16", "OpenVINO INT8"
OUR_REQUEST, PUBLIC_REQUEST = "request", "public style"
PLAIN_DECODING, GUARDED_DECODING = "decoding", "decoding apart"

NETWORKS = (KERAS, TF_FUNCTION, ONNX, OPENVINO_F32, OPENVINO_BF16, OPENVINO_INT8, SERVED)

PEERS: Mapping[str, Prepare] = MappingProxyType(
    {
        KERAS: keras_predict,
        TF_FUNCTION: tf_function,
        ONNX: onnx_runtime,
        OPENVINO_F32: _openvino("f32"),
        OPENVINO_BF16: _openvino("bf16"),
        OPENVINO_INT8: openvino_int8,
        SERVED: served,
        OUR_REQUEST: our_request,
        PUBLIC_REQUEST: public_request,
        PLAIN_DECODING: plain_decoding,
        GUARDED_DECODING: guarded_decoding,
    }
)


def check_name(name: str) -> str:
    """Return the name of a peer.

    Raises
    ------
    ValueError : there is none of this name.
    """
    if name not in PEERS:
        raise ValueError(f"name must be one of {', '.join(PEERS)}, got {name!r}")
    return name
