"""A network's file -> the network compiled by OpenVINO for the processor at hand."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from model.recognise.features import features


class Compiled:
    """A network, compiled for a number of threads when that is first asked for.

    taken, given : the shapes of its input and of its first output. The second, where it has the levels for it, is what
    its encoder sees.
    """

    def __init__(self, weights: Path, *, threads: int, streams: int, precision: str) -> None:
        """Compile it for `threads`; what they mean: `model.engine.OpenVinoEngine`.

        Raises
        ------
        RuntimeError : the file cannot be loaded.
        """
        import openvino  # Takes a fifth of a second, and a user of Keras weights may not have it.

        self._core, self._weights = openvino.Core(), weights
        self._settings: dict[str, Any] = {
            # Left to itself, OpenVINO computes in bfloat16 where it can, and processors answer differently.
            "INFERENCE_PRECISION_HINT": precision,
            # Pinned threads of two worker processes would share one core and leave the other idle.
            "ENABLE_CPU_PINNING": False,
            "NUM_STREAMS": streams,
        }
        self._models: dict[int, Any] = {}
        self._lock = threading.Lock()
        model = self._model(threads)
        self.taken, self.given = tuple(model.input(0).shape), tuple(model.output(0).shape)

    def request(self, threads: int) -> Any:
        """Return a new request to the network, of so many threads."""
        return self._model(threads).create_infer_request()

    def _model(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._models:
                network = _with_features(self._core.read_model(self._weights))
                settings = self._settings | {"INFERENCE_NUM_THREADS": threads}
                self._models[threads] = self._core.compile_model(network, "CPU", settings)
            return self._models[threads]


def _with_features(network: Any) -> Any:
    """Return a graph with what its encoder sees as a second output, where it has the levels for it."""
    from openvino import Model

    found = features(network)
    if found is None:
        return network
    answers = [result.input_value(0) for result in network.get_results()]
    return Model([*answers, found], network.get_parameters(), network.get_friendly_name())
