"""Enlargements and the convolutions behind them, as one operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13

from training.subpixel import FEW, gather_answers, gathered, merge_enlargements, transposed

Build = Callable[[Any], Any]

SHAPE = (1, 3, 4, 2)
"""Rows, columns and channels of what is enlarged."""


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def integers(values: Sequence[int]) -> Any:
    return opset13.constant(np.asarray(values, np.int64))


def enlarged(given: Any, times: Sequence[int] = (2, 2), **how: Any) -> Any:
    """Rows and columns repeated, as our networks are exported, and the channels brought to the front."""
    size = [side * factor for side, factor in zip(list(given.output(0).get_shape())[1:3], times, strict=True)]
    settings: dict[str, Any] = {
        "coordinate_transformation_mode": "tf_half_pixel_for_nn",
        "nearest_mode": "floor",
        **how,
    }
    large = opset13.interpolate(given, integers(size), "nearest", "sizes", axes=integers([1, 2]), **settings)
    return opset13.transpose(large, integers([0, 3, 1, 2]))


def convolved(given: Any, *, size: int = 3, strides: int = 1, pads: int = 1, answers: int = 5) -> Any:
    channels = given.output(0).get_shape()[1]
    kernel = opset13.constant(numbers(answers, channels, size, size, seed=1))
    return opset13.convolution(given, kernel, [strides, strides], [pads, pads], [pads, pads], [1, 1])


def joined(given: Any) -> Any:
    """What was enlarged, between two things that were not."""
    first, last = opset13.constant(numbers(1, 3, 6, 8, seed=2)), opset13.constant(numbers(1, 1, 6, 8, seed=3))
    return opset13.concat([first, enlarged(given), last], axis=1)


def scaled(answer: Any) -> Any:
    """As by a batch normalisation: each channel times a number, plus a number."""
    by, more = opset13.constant(numbers(1, 5, 1, 1, seed=4)), opset13.constant(numbers(1, 5, 1, 1, seed=5))
    return opset13.relu(opset13.add(opset13.multiply(answer, by), more))


def seen_twice(given: Any) -> Any:
    """An answer that is not only scaled."""
    answer = convolved(enlarged(given))
    return opset13.add(scaled(answer), answer)


def model(build: Build) -> openvino.Model:
    given = opset13.parameter(SHAPE, np.float32)
    channels_last = opset13.transpose(opset13.transpose(given, integers([0, 3, 1, 2])), integers([0, 2, 3, 1]))
    return openvino.Model([opset13.result(build(channels_last))], [given], "test")


def answer(network: openvino.Model) -> Any:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(network, "CPU", settings)({0: numbers(*SHAPE)})[0]


def kinds(network: openvino.Model) -> list[str]:
    return [node.get_type_name() for node in network.get_ordered_ops()]


MERGED: dict[str, Build] = {
    "alone": lambda given: convolved(enlarged(given)),
    "joined": lambda given: convolved(joined(given)),
    "scaled": lambda given: scaled(convolved(enlarged(given))),
    "joined and scaled": lambda given: scaled(convolved(joined(given))),
    "seen twice": seen_twice,
    "without a turn before": lambda given: convolved(enlarged(opset13.relu(given))),
}


@pytest.mark.parametrize("build", MERGED.values(), ids=MERGED)
def test_what_is_merged_answers_the_same(build: Build) -> None:
    network, plain = model(build), model(build)
    assert merge_enlargements(network) == 1
    assert kinds(network).count("ConvolutionBackpropData") == 1
    assert "Interpolate" not in kinds(network)
    np.testing.assert_allclose(answer(network), answer(plain), atol=1e-5)


def test_what_scales_an_answer_is_taken_into_the_kernels() -> None:
    network = model(MERGED["joined and scaled"])
    merge_enlargements(network)
    assert "Multiply" not in kinds(network)


LEFT: dict[str, Build] = {
    "nothing is enlarged": lambda given: convolved(opset13.transpose(given, integers([0, 3, 1, 2]))),
    "one direction alone": lambda given: convolved(enlarged(given, (2, 1))),
    "three times": lambda given: convolved(enlarged(given, (3, 3))),
    "other neighbours": lambda given: convolved(enlarged(given, nearest_mode="ceil")),
    "a kernel of one": lambda given: convolved(enlarged(given), size=1, pads=0),
    "a kernel of five": lambda given: convolved(enlarged(given), size=5, pads=2),
    "steps of two": lambda given: convolved(enlarged(given), strides=2),
    "no border": lambda given: convolved(enlarged(given), pads=0),
}


@pytest.mark.parametrize("build", LEFT.values(), ids=LEFT)
def test_all_else_stays(build: Build) -> None:
    network = model(build)
    before = kinds(network)
    assert merge_enlargements(network) == 0
    assert kinds(network) == before


def test_a_kernel_by_hand() -> None:
    # Along one axis 1, 10, 100; along the other the middle alone, which each of two pixels has for itself.
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0, :, 1] = [1, 10, 100]
    expected = np.outer([100, 110, 11, 1], [0, 1, 1, 0])
    np.testing.assert_array_equal(transposed(kernel), expected[np.newaxis, np.newaxis])


def channels_first(given: Any) -> Any:
    return opset13.transpose(given, integers([0, 3, 1, 2]))


def few(given: Any) -> Any:
    """Two answers of 6 by 8."""
    return convolved(enlarged(given), answers=2)


def raised(answer: Any, more: float = 0.5) -> Any:
    return opset13.add(opset13.constant(np.array([0.25, more], np.float32).reshape(1, 2, 1, 1)), answer)


def read_twice(given: Any) -> Any:
    """A sum that is not only the input of a sigmoid."""
    total = raised(few(given))
    return opset13.add(opset13.sigmoid(total), total)


GATHERED: dict[str, Build] = {
    "alone": few,
    "raised": lambda given: raised(few(given)),
    "raised, with a sigmoid": lambda given: opset13.sigmoid(raised(few(given))),
    "a sigmoid alone": lambda given: opset13.sigmoid(few(given)),
    "read twice": read_twice,
    "raised by one number for each pixel": lambda given: opset13.add(few(given), opset13.constant(numbers(6, 8))),
}


@pytest.mark.parametrize("build", GATHERED.values(), ids=GATHERED)
def test_what_is_gathered_answers_the_same(build: Build) -> None:
    network, plain = model(build), model(build)
    assert gather_answers(network) == 1
    assert kinds(network).count("DepthToSpace") == 1
    np.testing.assert_allclose(answer(network), answer(plain), atol=1e-5)


def test_answers_are_laid_out_last() -> None:
    network = model(GATHERED["raised, with a sigmoid"])
    gather_answers(network)
    assert kinds(network)[-2:] == ["DepthToSpace", "Result"]


@pytest.mark.parametrize(
    "build",
    [
        lambda given: convolved(enlarged(given), answers=FEW + 1),
        # 3 rows cannot be halved.
        lambda given: convolved(channels_first(given), answers=2),
        lambda given: convolved(enlarged(given), answers=2, size=1, pads=0),
    ],
)
def test_nothing_else_is_gathered(build: Build) -> None:
    network = model(build)
    before = kinds(network)
    assert gather_answers(network) == 0
    assert kinds(network) == before


def test_a_gathered_kernel_by_hand() -> None:
    kernel = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    upper_left, upper_right, lower_left, lower_right = gathered(kernel)[:, 0].astype(int).tolist()
    assert upper_left == [[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0], [0, 0, 0, 0]]
    assert upper_right == [[0, 1, 2, 3], [0, 4, 5, 6], [0, 7, 8, 9], [0, 0, 0, 0]]
    assert lower_left == [[0, 0, 0, 0], [1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0]]
    assert lower_right == [[0, 0, 0, 0], [0, 1, 2, 3], [0, 4, 5, 6], [0, 7, 8, 9]]
