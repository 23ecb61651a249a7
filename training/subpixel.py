"""Convolutions -> others that answer the same sooner, by computing at another size.

An enlargement and the convolution behind it become one transposed convolution (`merge_enlargements`). Where each pixel
was repeated twice in both directions, the nine products of a 3×3 kernel fall on four pixels only. Their weights can be
added up once and for all: what remains is a transposed convolution of 4×4 in steps of two, with four ninths of the
products (Shi et al., Is the deconvolution layer the same as a convolutional layer?, arXiv:1609.07009, 2016). Sixteen
weights take more room than nine, though: this is done in the graph that is served in 8 bits, not in that which is kept
in floating point.

A convolution with few answers becomes one with four times as many in steps of two (`gather_answers`): processors
compute sixteen of them at once, however few there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Node, Output, opset13

from model.explain.gradient import repeats

Kernel = NDArray[np.float32]

ADDED = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
"""Which of the three weights of a convolution, along one axis, each of the four of the transposed one is the sum of."""

TO_CHANNELS_FIRST, TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
SAME = ([1, 1], [1, 1])

FEW = 4
"""Answers of a convolution: four times as many are no more than processors compute at once."""


def merge_enlargements(network: Model) -> int:
    """Replace, in a graph whose shapes are known, each convolution that reads what was enlarged to twice its size.

    Where it reads several things joined, only the part that was enlarged is replaced, and the parts are added up. What
    scales the answer of the convolution is taken into the kernels, where it would have been had there been one.

    Returns
    -------
    How many convolutions were replaced.
    """
    return _replace_all(network, lambda convolution: any(map(_small, _parts(convolution))), _merge)


def gather_answers(network: Model) -> int:
    """Replace each convolution with few answers by one that gives those of 2×2 pixels at once, and lays them out.

    What is added to the answers, and a sigmoid behind, are computed before they are laid out.

    Returns
    -------
    How many convolutions were replaced.
    """
    return _replace_all(network, _has_few_answers, _gather)


def _replace_all(network: Model, suits: Callable[[Node], bool], replace: Callable[[Node], None]) -> int:
    """Replace the plain convolutions that suit; return how many."""
    found = [node for node in network.get_ordered_ops() if _is_plain(node) and suits(node)]
    for convolution in found:
        replace(convolution)
    network.validate_nodes_and_infer_types()
    return len(found)


def gathered(kernel: Kernel) -> Kernel:
    """Return the kernel that, in steps of two, gives what another gives in steps of one.

    Parameters
    ----------
    kernel : (channels out, channels in, 3, 3) float32.

    Returns
    -------
    (4 channels out, channels in, 4, 4) float32: first all channels of the upper left pixel of 2×2, then those of the
    upper right, the lower left, the lower right.
    """
    return np.concatenate(
        [np.pad(kernel, ((0, 0), (0, 0), (row, 1 - row), (column, 1 - column))) for row in (0, 1) for column in (0, 1)]
    )


def transposed(kernel: Kernel) -> Kernel:
    """Return the kernel by which the small picture gives at once what another one gives on the enlarged one.

    Parameters
    ----------
    kernel : (channels out, channels in, 3, 3) float32.

    Returns
    -------
    (channels in, channels out, 4, 4) float32, as a transposed convolution takes it.
    """
    summed: Kernel = np.einsum("ay,bx,oiyx->ioab", ADDED, ADDED, kernel)
    return summed


def _is_plain(node: Node) -> bool:
    """Tell whether a node is a 3×3 convolution that keeps the size, by a kernel that is known."""
    if node.get_type_name() != "Convolution" or list(node.input_value(1).get_shape())[2:] != [3, 3]:
        return False
    told = node.get_attributes()
    steps = list(told["strides"]) == list(told["dilations"]) == [1, 1]
    keeps = told["auto_pad"] == "same_upper" or (list(told["pads_begin"]), list(told["pads_end"])) == SAME
    return steps and keeps and _is_known(node.input_value(1))


def _has_few_answers(convolution: Node) -> bool:
    _, channels, height, width = convolution.output(0).get_shape()
    return bool(channels <= FEW and height % 2 == width % 2 == 0)


def _gather(convolution: Node) -> None:
    kernel = opset13.constant(gathered(_values(convolution.input_value(1))))
    last, answer = convolution, opset13.convolution(convolution.input_value(0), kernel, [2, 2], *SAME, [1, 1])
    added = _constant_behind(convolution, "Add")
    if added is not None:
        last, more = added
        answer = opset13.add(answer, opset13.constant(np.tile(more, (1, 4, 1, 1))))
    behind = _only_reader(last)
    if behind is not None and _is(behind, "Sigmoid"):
        last, answer = behind, opset13.sigmoid(answer)
    last.output(0).replace(opset13.depth_to_space(answer, "blocks_first", 2).output(0))


def _only_reader(node: Node) -> Node | None:
    readers = list(node.output(0).get_target_inputs())
    return readers[0].get_node() if len(readers) == 1 else None


def _constant_behind(node: Node, kind: str) -> tuple[Node, Kernel] | None:
    """Return what alone reads a convolution's answer, and the constant for each channel that it takes to it."""
    reader = _only_reader(node)
    if reader is None or not _is(reader, kind):
        return None
    shape = [1, node.output(0).get_shape()[1], 1, 1]
    for by in reader.input_values():
        if _is_known(by) and list(by.get_shape()) == shape:
            return reader, _values(by)
    return None


def _parts(convolution: Node) -> list[Output]:
    """Return what a convolution reads: one thing, or those that are joined to it."""
    read = convolution.input_value(0)
    joined = read.get_node()
    if _is(joined, "Concat") and joined.get_attributes()["axis"] == 1:
        return list(joined.input_values())
    return [read]


def enlarged_by(node: Node) -> Output | None:
    """Return what a convolution reads enlarged, and nothing beside it, as it was before; None where it is not so."""
    parts = _parts(node) if _is(node, "Convolution") else []
    return _small(parts[0]) if len(parts) == 1 else None


def _small(part: Output) -> Output | None:
    """Return what a part, (1, C, 2 H, 2 W), was enlarged from, (1, C, H, W); None where it was not."""
    turned = part.get_node()
    if not _turns(turned, TO_CHANNELS_FIRST):
        return None
    enlarged = turned.input_value(0).get_node()
    if not _is(enlarged, "Interpolate") or not _repeats_twice(enlarged):
        return None
    small = enlarged.input_value(0)
    if _turns(small.get_node(), TO_CHANNELS_LAST):
        return small.get_node().input_value(0)
    return opset13.transpose(small, opset13.constant(np.array(TO_CHANNELS_FIRST, np.int64))).output(0)


def _repeats_twice(enlarged: Node) -> bool:
    before, after = list(enlarged.input_value(0).get_shape()), list(enlarged.output(0).get_shape())
    return repeats(enlarged) and after == [before[0], 2 * before[1], 2 * before[2], before[3]]


def _turns(node: Node, order: list[int]) -> bool:
    return _is(node, "Transpose") and list(_values(node.input_value(1))) == order


def _is(node: Node, kind: str) -> bool:
    return bool(node.get_type_name() == kind)


def _is_known(output: Output) -> bool:
    """Tell whether an output is a constant, kept in half precision maybe."""
    node = output.get_node()
    return _is(node, "Constant") or (_is(node, "Convert") and _is(node.input_value(0).get_node(), "Constant"))


def _values(known: Output) -> NDArray[Any]:
    node = known.get_node()
    values: NDArray[Any] = (node.input_value(0).get_node() if _is(node, "Convert") else node).get_data()
    return values.astype(known.get_element_type().to_dtype())


def _merge(convolution: Node) -> None:
    parts, kernel, answer = _parts(convolution), _values(convolution.input_value(1)), convolution
    scaling = _constant_behind(convolution, "Multiply")
    if scaling is not None:
        answer, scale = scaling
        kernel = kernel * scale.reshape(-1, 1, 1, 1)
    ends = np.cumsum([part.get_shape()[1] for part in parts])[:-1]
    shares = [_share(part, own) for part, own in zip(parts, np.split(kernel, ends, axis=1), strict=True)]
    total = shares[0]
    for share in shares[1:]:
        total = opset13.add(total, share)
    answer.output(0).replace(total.output(0))


def _share(part: Output, kernel: Kernel) -> Node:
    """Return what one part adds to the answer."""
    small = _small(part)
    if small is None:
        return opset13.convolution(part, opset13.constant(kernel), [1, 1], *SAME, [1, 1])
    weights = opset13.constant(transposed(kernel))
    return opset13.convolution_backprop_data(small, weights, strides=[2, 2], pads_begin=[1, 1], pads_end=[1, 1])
