"""What a network's encoder sees of a slice, coarsely, and where: further nodes of the network's own graph.

They cost next to nothing, since the network computes the levels for its answer anyway.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CELLS = 14
"""A level is first averaged to so many cells by either side: whatever it is then asked, there is little to compute."""

GRID = 3
"""Cells are averaged over so many parts by either side, so that up and down, left and right can be told."""

SIDES = (112, 56, 28)
"""Of the encoder's levels, by their side in pixels where the input has 448. The level above sees edges, the one below
what lesions look like; neither tells more of what a picture shows."""


def features(network: Any) -> Any | None:
    """Build the features of a network's input.

    Parameters
    ----------
    network : a graph of OpenVINO's, from (1, 448, 448, 1); it is not changed.

    Returns
    -------
    An output of shape (1, F), float32: for each level its means over a grid of GRID × GRID, from the top left by rows,
    then its standard deviation over the cells, each channel of ln(1 + activation). None where it has no such levels.
    """
    from openvino import opset13  # Takes a fifth of a second.

    levels = _levels(network)
    if levels is None:
        return None
    return opset13.concat([_summary(level) for level in levels], axis=1).output(0)


def _levels(network: Any) -> list[Any] | None:
    """Return the last activation of the encoder at each of SIDES; None where one is missing."""
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
        found[side] = node.output(0)
    return [found[side] for side in SIDES] if all(side in found for side in SIDES) else None


def _summary(level: Any) -> Any:
    """Return, as nodes of the same graph, the means over the grid and the standard deviations of (1, C, H, W)."""
    from openvino import opset13

    size = [level.get_shape()[2] // CELLS] * 2
    cells = opset13.avg_pool(level, size, [0, 0], [0, 0], size, True)
    seen = opset13.log(opset13.add(cells, np.float32(1.0)))
    edges = np.linspace(0, CELLS, GRID + 1).round().astype(np.int64)
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
