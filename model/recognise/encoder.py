"""Slice -> features: what the shipped network's encoder sees of it, coarsely, and where."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.engine import SHIPPED_WEIGHTS
from model.errors import WeightsError
from model.preprocess import Gray, preprocess

FloatArray = NDArray[np.float32]

SIZE = 224
"""Side of the input: a quarter of the work of the network's own, and enough to tell a chest from a head."""

GRID = 3
"""The picture is cut into so many parts by either side, so that up and down, left and right can be told."""

SIDES = (112, 56, 28)
"""Of the encoder's levels, by the side that they have in the network's own input of 448 pixels. The level above sees
edges, the one below what lesions look like; neither tells more of what a picture shows."""


class Encoder:
    """The first levels of a network in OpenVINO form; may be called from several threads."""

    def __init__(self, weights: Path = SHIPPED_WEIGHTS, *, threads: int = 0) -> None:
        """Load a network and leave off what is not needed.

        Raises
        ------
        WeightsError : the file cannot be loaded, or has no such levels.
        """
        import openvino  # Takes a fifth of a second.

        core = openvino.Core()
        try:
            whole = core.read_model(weights)
            levels = _levels(whole)
            first = openvino.Model([level.output(0) for level in levels], whole.get_parameters(), "encoder")
            first.reshape([1, SIZE, SIZE, 1])
            summaries = [_summary(result.input_value(0)) for result in first.get_results()]
            first = openvino.Model(summaries, first.get_parameters(), "encoder")
            settings: dict[str, Any] = {
                "INFERENCE_PRECISION_HINT": "f32",
                "ENABLE_CPU_PINNING": False,
                "INFERENCE_NUM_THREADS": threads,
            }
            self._request = core.compile_model(first, "CPU", settings).create_infer_request()
        except RuntimeError as exc:
            raise WeightsError(f"{weights} cannot be loaded by OpenVINO as an encoder.") from exc
        self._lock = threading.Lock()

    def features(self, pixels: Gray, value_range: tuple[float, float] = (0.0, 255.0)) -> FloatArray:
        """Return what the encoder sees of a slice.

        Parameters
        ----------
        pixels, value_range : as `model.preprocess.preprocess` takes them.

        Returns
        -------
        (F,) float32: for each level its means over a grid of GRID × GRID, from the top left by rows, then its standard
        deviation, each channel of ln(1 + activation).
        """
        network_input = preprocess(pixels, value_range=value_range, size=SIZE)[np.newaxis]
        with self._lock:
            answers = self._request.infer({0: network_input})
            return np.concatenate([answers[number].reshape(-1) for number in range(len(SIDES))])


def _levels(network: Any) -> list[Any]:
    """Return the last activation of the encoder at each of SIDES.

    Raises
    ------
    RuntimeError : there is none.
    """
    found: dict[int, Any] = {}
    sides: list[int] = []
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Relu" or node.output(0).partial_shape.rank.get_length() != 4:
            continue
        side = node.output(0).partial_shape[2].get_length()
        if sides and side > sides[-1]:
            # From here on the decoder makes it larger again.
            break
        sides.append(side)
        found[side] = node
    missing = [side for side in SIDES if side not in found]
    if missing:
        raise RuntimeError(f"the network has no level of {missing[0]} pixels")
    return [found[side] for side in SIDES]


def _summary(level: Any) -> Any:
    """Return, as nodes of the same graph, the means over the grid and the standard deviations of (1, C, H, W)."""
    from openvino import opset13

    seen = opset13.log(opset13.add(level, np.float32(1.0)))
    edges = np.linspace(0, level.get_shape()[2], GRID + 1).round().astype(np.int64)
    spans = list(zip(edges[:-1], edges[1:], strict=True))
    parts = [
        opset13.slice(seen, [top, left], [bottom, right], [1, 1], [2, 3])
        for top, bottom in spans
        for left, right in spans
    ]
    axes = np.array([2, 3], np.int64)
    mean = opset13.reduce_mean(seen, axes, keep_dims=True)
    variance = opset13.reduce_mean(opset13.squared_difference(seen, mean), axes)
    means = [opset13.reduce_mean(part, axes) for part in parts]
    return opset13.concat([*means, opset13.sqrt(variance)], axis=1)
