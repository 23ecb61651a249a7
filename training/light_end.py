"""The last stage of the U-Net -> a lighter one, which answers for 2×2 pixels at once at half the size.

The original's stage computes 16 maps twice at the whole size of the input, from 32 at half of it. This one computes 16
once, at half the size. It is learned from what the original answers (`training.distil`; Hinton et al., Distilling the
Knowledge in a Neural Network, arXiv:1503.02531, 2015), and its answer is laid out as in Shi et al., Real-Time Single
Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network, CVPR 2016.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from openvino import Model, Node, Output, opset13

from training.subpixel import SAME, enlarged_by

Kernel = NDArray[np.float32]

MAPS = 16
"""Of each layer but the last: what processors compute at once."""

BLOCK = 2
"""Pixels by either side that the last layer answers for at once."""


@dataclass(frozen=True)
class LightEnd:
    """The kernels (channels out, channels in, 3, 3) and biases (channels out,) of two convolutions, float32.

    The last gives the logits of 2×2 pixels: all channels of the upper left one, then of the upper right, the lower
    left, the lower right.
    """

    first: Kernel
    first_bias: Kernel
    last: Kernel
    last_bias: Kernel

    def save(self, file: Path) -> None:
        """Write it as .npz."""
        np.savez(file, **asdict(self))


def read_light_end(file: Path) -> LightEnd:
    """Read an end that was saved; raises OSError where it cannot be read, ValueError where it is none."""
    try:
        with file.open("rb") as content, np.load(content) as arrays:
            end = LightEnd(**{name: arrays[name] for name in LightEnd.__dataclass_fields__})
    # NumPy takes other files for a pickle, or for one array, which no block can hold.
    except (ValueError, KeyError, TypeError, AttributeError, BadZipFile) as exc:
        raise ValueError(f"{file} is no end of a network: write one with python -m training.distil") from exc
    _check(end, file)
    return end


def _check(end: LightEnd, file: Path) -> None:
    """Raise ValueError where kernels and biases do not fit one another, or are no numbers."""
    for kernel, bias in ((end.first, end.first_bias), (end.last, end.last_bias)):
        if kernel.shape[2:] != (3, 3) or kernel.ndim != 4 or bias.shape != kernel.shape[:1]:
            raise ValueError(f"{file} is no end of a network: a kernel is {kernel.shape}, its bias {bias.shape}")
        if not all(part.dtype == np.float32 and np.isfinite(part).all() for part in (kernel, bias)):
            raise ValueError(f"{file} is no end of a network: {kernel.dtype} or not finite, where float32 must be")
    if end.last.shape[1] != end.first.shape[0]:
        raise ValueError(
            f"{file} is no end of a network: {end.first.shape[0]} maps, of which {end.last.shape[1]} are read"
        )


def before_end(network: Model) -> Output:
    """Return what the last stage of a U-Net enlarges, (1, C, H/2, W/2), in a graph whose enlargements are operations.

    Raises
    ------
    ValueError : it has no such stage.
    """
    found = [small for small in map(enlarged_by, network.get_ordered_ops()) if small is not None]
    if not found:
        raise ValueError("the network enlarges nothing before it answers: it is no U-Net of ours")
    return found[-1]


def replace_end(network: Model, end: LightEnd) -> None:
    """Let an end give the probabilities, (1, H, W, C), in place of a network's own last stage.

    Raises
    ------
    ValueError : it does not fit the network.
    """
    before = before_end(network)
    channels = before.get_shape()[1]
    if end.first.shape[1] != channels:
        raise ValueError(
            f"the end reads {end.first.shape[1]} channels, the network has {channels} before its last stage"
        )
    maps = opset13.relu(_convolution(before, end.first, end.first_bias))
    blocks = opset13.sigmoid(_convolution(maps, end.last, end.last_bias))
    laid_out = opset13.depth_to_space(blocks, "blocks_first", BLOCK)
    answer = opset13.transpose(laid_out, np.array([0, 2, 3, 1], np.int64)).output(0)
    own = network.get_results()[0].input(0)
    if answer.get_shape() != own.get_shape():
        raise ValueError(f"the end gives {answer.get_shape()}, the network {own.get_shape()}")
    own.replace_source_output(answer)
    network.validate_nodes_and_infer_types()


def _convolution(maps: Output | Node, kernel: Kernel, bias: Kernel) -> Node:
    answer = opset13.convolution(maps, opset13.constant(kernel), [1, 1], *SAME, [1, 1])
    return opset13.add(answer, opset13.constant(bias.reshape(1, -1, 1, 1)))
