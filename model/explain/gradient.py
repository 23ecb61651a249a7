"""A network in OpenVINO form -> the gradient of its answer, as further nodes of the same graph.

OpenVINO only runs networks forwards. A backward pass is itself a graph of plain operations, which it can run: this
module builds one by the chain rule, for the operations that lie between a layer of the served networks and the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from openvino import Model, Node, Output, opset13

from model.errors import Unexplained

Rule = Callable[[Any, int, Any], Any]

_SHAPE_ONLY = "ShapeOf"
"""What follows from the shape of an array alone does not change with its values."""


def add_gradient(network: Model, *, of: Output, by: Output, upstream: Output) -> Output:
    """Build the gradient of the sum of (`of` times `upstream`) by `by`.

    Parameters
    ----------
    network : the graph that both belong to; its shapes are all known.
    of, by : float32 outputs of two of its nodes; `of` is computed from `by`.
    upstream : an output of the shape of `of`, a parameter for instance: how much each of its values counts.

    Returns
    -------
    An output of the shape of `by`.

    Raises
    ------
    Unexplained : there is no rule for an operation in between, or `of` does not depend on `by`.
    """
    known = {_key(of): upstream}
    for node, ports in reversed(_between(network, by)):
        found = known.get(_key(node.output(0)))
        if found is None:
            continue
        for port in ports:
            source = node.input_value(port)
            share = _rule(node)(node, port, found)
            earlier = known.get(_key(source))
            known[_key(source)] = share if earlier is None else opset13.add(earlier, share).output(0)
    if _key(by) not in known:
        raise Unexplained(f"This network does not compute {of.get_node().get_friendly_name()} from what is explained.")
    return known[_key(by)]


def _key(output: Output) -> tuple[str, int]:
    # Each look at a node gives another Python object; its name is what stays.
    return output.get_node().get_name(), output.get_index()


def _between(network: Model, by: Output) -> list[tuple[Node, list[int]]]:
    """Return the nodes whose values change with `by`, in the order of computing, with the inputs that do."""
    changing = {_key(by)}
    nodes = []
    for node in network.get_ordered_ops():
        if node.get_type_name() == _SHAPE_ONLY:
            continue
        ports = [port for port, source in enumerate(node.input_values()) if _key(source) in changing]
        if ports:
            nodes.append((node, ports))
            changing.update(_key(output) for output in node.outputs())
    return nodes


def _rule(node: Node) -> Rule:
    kind = node.get_type_name()
    if kind not in RULES:
        raise Unexplained(
            f"This network has an operation that cannot be explained: {kind}. Known are {', '.join(sorted(RULES))}."
        )
    return RULES[kind]


def _shape(output: Output) -> list[int]:
    return [int(length) for length in output.get_shape()]


def _constant(node: Node, port: int) -> Any:
    """Return the values of an input that must be a constant."""
    source = node.input_value(port).get_node()
    if source.get_type_name() != "Constant":
        raise Unexplained(f"This network cannot be explained: input {port} of its {node.get_type_name()} is computed.")
    return source.get_data()


def _integers(values: Any) -> Node:
    return opset13.constant(np.asarray(values, np.int64))


def _refuse_broadcast(node: Node, port: int) -> None:
    if _shape(node.input_value(port)) != _shape(node.output(0)):
        raise Unexplained(f"This network cannot be explained: its {node.get_type_name()} repeats what it is given.")


def _add(node: Node, port: int, upstream: Output) -> Output:
    _refuse_broadcast(node, port)
    return upstream


def _multiply(node: Node, port: int, upstream: Output) -> Output:
    _refuse_broadcast(node, port)
    return opset13.multiply(upstream, node.input_value(1 - port)).output(0)


def _relu(node: Node, port: int, upstream: Output) -> Output:
    # What was cut off does not change with the input. At 0 itself the gradient is 0, as in TensorFlow.
    zero = opset13.constant(np.float32(0.0))
    passes = opset13.greater(node.output(0), zero)
    return opset13.select(passes, upstream, zero).output(0)


def _convolution(node: Node, port: int, upstream: Output) -> Output:
    if port != 0:
        raise Unexplained("This network cannot be explained: it computes the kernel of a convolution.")
    attributes = node.get_attributes()
    return opset13.convolution_backprop_data(
        upstream,
        node.input_value(1),
        strides=attributes["strides"],
        output_shape=_integers(_shape(node.input_value(0))[2:]),
        pads_begin=attributes["pads_begin"],
        pads_end=attributes["pads_end"],
        dilations=attributes["dilations"],
    ).output(0)


def _concat(node: Node, port: int, upstream: Output) -> Output:
    axis = node.get_attributes()["axis"]
    axis += len(_shape(node.output(0))) if axis < 0 else 0
    lengths = [_shape(source)[axis] for source in node.input_values()]
    start = sum(lengths[:port])
    bounds = [_integers([place]) for place in (start, start + lengths[port], 1, axis)]
    return opset13.slice(upstream, *bounds).output(0)


def _transpose(node: Node, port: int, upstream: Output) -> Output:
    return opset13.transpose(upstream, _integers(np.argsort(_constant(node, 1)))).output(0)


def _reshape(node: Node, port: int, upstream: Output) -> Output:
    return opset13.reshape(upstream, _integers(_shape(node.input_value(port))), special_zero=False).output(0)


def _tile(node: Node, port: int, upstream: Output) -> Output:
    """Add up the copies: each repeated axis becomes two, of copies and of values, and the former is summed over."""
    split: list[int] = []
    copies: list[int] = []
    shape = _shape(node.input_value(0))
    for repeats, length in zip(_constant(node, 1).tolist(), shape, strict=True):
        if repeats > 1:
            copies.append(len(split))
            split.append(int(repeats))
        split.append(length)
    apart = opset13.reshape(upstream, _integers(split), special_zero=False)
    return opset13.reduce_sum(apart, _integers(copies), keep_dims=False).output(0)


def _interpolate(node: Node, port: int, upstream: Output) -> Output:
    """Add up the copies of each value, which lie side by side."""
    before, after = _shape(node.input_value(0)), _shape(node.output(0))
    if not repeats(node) or any(large % small for small, large in zip(before, after, strict=True)):
        raise Unexplained("This network cannot be explained: it enlarges otherwise than by repeating each value.")
    split = [part for small, large in zip(before, after, strict=True) for part in (small, large // small)]
    apart = opset13.reshape(upstream, _integers(split), special_zero=False)
    return opset13.reduce_sum(apart, _integers(range(1, len(split), 2)), keep_dims=False).output(0)


def repeats(enlarging: Node) -> bool:
    """Tell whether an interpolation reaches a size that is a multiple by repeating each value."""
    told = enlarging.get_attributes()
    how = told["mode"], told["coordinate_transformation_mode"], told["nearest_mode"]
    return how == ("nearest", "tf_half_pixel_for_nn", "floor")


RULES: dict[str, Rule] = {
    "Add": _add,
    "Multiply": _multiply,
    "Relu": _relu,
    "Convolution": _convolution,
    "Concat": _concat,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Unsqueeze": _reshape,
    "Tile": _tile,
    "Interpolate": _interpolate,
}
"""For each operation: from (node, number of an input, gradient by its output) to the gradient by that input."""
