"""Array -> probabilities, by OpenVINO (.xml with its .bin) or by TensorFlow (.h5, .hdf5, .keras): the file decides."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from model.card import SHIPPED_WEIGHTS, Identity, advice, identify, read_card
from model.company import Company
from model.compiled import Compiled
from model.errors import WeightsError
from model.preprocess import INPUT_SIZE

log = logging.getLogger(__name__)

KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
FLOAT_SUFFIX = ".float.xml"
"""Of the same network in floating point, where the served form is in whole numbers."""

CHANNELS_BY_COUNT = {1: ("lesion",), 2: ("lesion", "lung")}

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Sharing:
    """How a network gives way to those of other processes: while another is asked, it takes fewer threads.

    Networks that each use all cores at the same time are slower than those that each use their share.
    """

    company: Company
    threads: int


class Engine(Protocol):
    """A loaded network; may be called from several threads."""

    identity: Identity
    channels: tuple[str, ...]
    input_size: int  # height and width of the input in pixels; INPUT_SIZE for all that can be served

    def predict(self, batch: FloatArray) -> FloatArray:
        """Return probabilities (N, input_size, input_size, C) float32 in 0.0 ... 1.0, C as in `channels`.

        batch : (N, input_size, input_size, 1) float32 in 0.0 ... 1.0, as `model.preprocess.preprocess` gives it.
        """


class Seen(NamedTuple):
    """What a network tells of slices.

    probability : (N, input_size, input_size, C) float32, as `Engine.predict` returns it.
    features : (N, F) float32, what its encoder sees, see `model.recognise.features`; None where it does not tell.
    """

    probability: FloatArray
    features: FloatArray | None


class SeeingEngine(Engine, Protocol):
    """A network that tells what its encoder sees in the same pass."""

    def see(self, batch: FloatArray) -> Seen:
        """Return probabilities and features of a batch as `Engine.predict` takes it."""


def can_see(engine: Engine) -> TypeGuard[SeeingEngine]:
    """Tell whether a network is one that tells what its encoder sees."""
    return hasattr(engine, "see")


def see(engine: Engine, batch: FloatArray) -> Seen:
    """Ask a network for probabilities, and for features where it can tell them."""
    return engine.see(batch) if can_see(engine) else Seen(engine.predict(batch), None)


class OpenVinoEngine:
    """The served form of the network, compiled for the processor at hand."""

    input_size = INPUT_SIZE

    def __init__(
        self,
        weights: Path,
        identity: Identity,
        *,
        threads: int = 0,
        streams: int = 1,
        precision: str = "f32",
        shared: Sharing | None = None,
    ) -> None:
        """Compile a network.

        threads, streams, shared : as `load_engine` takes them.
        precision : in which everything is computed that the file does not hold in whole numbers: "f32", or "bf16",
            which processors without bfloat16 take for f32.

        Raises
        ------
        WeightsError : the file cannot be loaded, or does not fit.
        """
        try:
            network = Compiled(weights, threads=threads, streams=streams, precision=precision)
        except RuntimeError as exc:
            log.exception("OpenVINO cannot load %s", weights)
            raise WeightsError(f"{weights} cannot be loaded by OpenVINO. {advice(weights)}") from exc
        self.identity = identity
        self.channels = _channels(network.taken, network.given, weights)
        self._threads, self._shared = threads, shared
        # Threads of its own, with requests of their own, take those who ask in their order. At a lock whoever comes may
        # pass those who wait, and a few of many clients wait several times as long as the others.
        self._own = threading.local()
        self._turns = ThreadPoolExecutor(streams, "engine", _give_requests, (self._own, network))

    def predict(self, batch: FloatArray) -> FloatArray:
        """Return probabilities; see `Engine.predict`."""
        return self.see(batch).probability

    def see(self, batch: FloatArray) -> Seen:
        """Return probabilities and features; see `SeeingEngine.see`."""
        _check_batch(batch)
        # From here, not only while it computes: of those who wait another process is to know as well.
        with self._shared.company.asking() if self._shared else nullcontext():
            return self._turns.submit(self._answer, batch).result()

    def _answer(self, batch: FloatArray) -> Seen:
        probability = np.empty((len(batch), INPUT_SIZE, INPUT_SIZE, len(self.channels)), np.float32)
        features = []
        for number, item in enumerate(batch):
            # Copied: the request's own buffers are used again by the next call.
            first, *others = self._ask(item[np.newaxis])
            probability[number] = first[0]
            features += [np.array(other[0]) for other in others]
        return Seen(probability, np.stack(features) if features else None)

    def _ask(self, item: FloatArray) -> tuple[Any, ...]:
        threads = self._shared.threads if self._shared and self._shared.company.asked() > 1 else self._threads
        answers: tuple[Any, ...] = self._own.request(threads).infer({0: item}).to_tuple()
        return answers


def _give_requests(own: threading.local, network: Compiled) -> None:
    """Let the thread that calls have requests of its own. No method: the thread would keep its engine for ever."""
    own.request = lru_cache(maxsize=None)(network.request)


class KerasEngine:
    """The network in TensorFlow, for weights that were trained but not exported, ours or those of other projects."""

    input_size = INPUT_SIZE

    def __init__(self, weights: Path, identity: Identity) -> None:
        try:
            from model.network import load_network  # Brings in TensorFlow, which serving the shipped weights must not.
        except ImportError as exc:
            raise WeightsError(
                f"{weights} needs TensorFlow, which is not installed. Install it with: make install"
            ) from exc
        self.identity = identity
        self._network = load_network(weights)
        self.channels = _channels((1, *self._network.input_shape[1:]), (1, *self._network.output_shape[1:]), weights)
        self._lock = threading.Lock()

    def predict(self, batch: FloatArray) -> FloatArray:
        """Return probabilities; see `Engine.predict`."""
        _check_batch(batch)
        with self._lock:
            return np.asarray(self._network.predict_on_batch(batch), dtype=np.float32)


def load_engine(
    weights: Path = SHIPPED_WEIGHTS, *, threads: int = 0, streams: int = 1, shared: Sharing | None = None
) -> Engine:
    """Load a network.

    Parameters
    ----------
    weights : .xml (OpenVINO, its .bin beside it) or .h5, .hdf5, .keras (weights only or a full model, of the
        ResNet34 U-Net with one channel, lesion, or two, lesion and lung).
    threads : processor threads for OpenVINO; 0 = one for each core.
    streams : slices that OpenVINO reads side by side, each with its share of the threads, where several threads ask:
        more slices in a second, each of which takes longer.
    shared : for OpenVINO, with one stream: how it gives way to other processes; None where it does not.

    Raises
    ------
    WeightsError : the file is missing, damaged (its card states another SHA-256), of an unknown kind, or does not
        fit the network.
    """
    kinds = (".xml", *KERAS_SUFFIXES)
    if weights.suffix not in kinds:
        raise WeightsError(f"{weights} is no weights file: its name must end in {', '.join(kinds)}")
    identity = identify(weights)
    log.info("loading %s (%s)", identity.model_id, identity.sha256[:12])
    if weights.suffix == ".xml":
        served = read_card(weights).get("precision", {}).get("served")
        precision = "bf16" if served == "bf16" else "f32"
        return OpenVinoEngine(weights, identity, threads=threads, streams=streams, precision=precision, shared=shared)
    return KerasEngine(weights, identity)


def float_form(weights: Path) -> Path:
    """Return the file of a network in floating point: the one beside the served one, or that itself."""
    beside = weights.with_name(weights.name.removesuffix(".xml") + FLOAT_SUFFIX)
    return beside if beside.is_file() else weights


def _channels(input_shape: tuple[int, ...], output_shape: tuple[int, ...], weights: Path) -> tuple[str, ...]:
    """Return what a network's output channels mean, from the shapes that it takes and gives.

    Raises
    ------
    WeightsError : they are not (1, 448, 448, 1) and (1, 448, 448, 1 or 2).
    """
    square = (1, INPUT_SIZE, INPUT_SIZE)
    if input_shape != (*square, 1) or output_shape[:-1] != square or output_shape[-1] not in CHANNELS_BY_COUNT:
        raise WeightsError(
            f"{weights} goes from {input_shape} to {output_shape}; only {(*square, 1)} to {(*square, 1)} (lesion) or "
            f"{(*square, 2)} (lesion, lung) can be served."
        )
    return CHANNELS_BY_COUNT[output_shape[-1]]


def _check_batch(batch: FloatArray) -> None:
    expected = (INPUT_SIZE, INPUT_SIZE, 1)
    if batch.ndim != 4 or batch.shape[1:] != expected or batch.dtype != np.float32 or len(batch) == 0:
        raise ValueError(f"batch must be (N, {INPUT_SIZE}, {INPUT_SIZE}, 1) float32, got {batch.shape} {batch.dtype}")
