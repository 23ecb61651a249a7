"""Small graphs, each with an operation whose derivative is computed by differences too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13

from model.errors import Unexplained
from model.explain.gradient import RULES, add_gradient

Build = Callable[[Any], Any]
FloatArray = NDArray[np.float32]
Function = Callable[..., FloatArray]

SHAPE = (1, 2, 4, 3)
STEP = 0.125


def numbers(*shape: int, seed: int = 0) -> FloatArray:
    """Values away from 0, where the slope of an activation changes."""
    rng = np.random.default_rng(seed)
    return (rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)).astype(np.float32)


def compiled(output: Any, parameters: list[Any]) -> Function:
    model = openvino.Model([opset13.result(output)], parameters, "test")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(model, "CPU", exact).create_infer_request()
    return lambda *inputs: np.array(request.infer(dict(enumerate(inputs)))[0])


def forwards(build: Build, shape: tuple[int, ...]) -> Function:
    given = opset13.parameter(list(shape), np.float32)
    return compiled(build(given).output(0), [given])


def backwards(build: Build, shape: tuple[int, ...]) -> Function:
    """The gradient that is built, as a function of the input and of what each value of the answer counts."""
    given = opset13.parameter(list(shape), np.float32)
    answer = build(given)
    wanted = opset13.parameter(list(answer.output(0).get_shape()), np.float32)
    network = openvino.Model([opset13.result(answer)], [given], "test")
    gradient = add_gradient(network, of=answer.output(0), by=given.output(0), upstream=wanted.output(0))
    return compiled(gradient, [given, wanted])


def by_differences(function: Function, at: FloatArray, wanted: FloatArray) -> FloatArray:
    slopes = np.zeros(at.shape, np.float32)
    for place in np.ndindex(at.shape):
        move = np.zeros(at.shape, np.float32)
        move[place] = STEP
        slopes[place] = np.sum(wanted * (function(at + move) - function(at - move))) / (2.0 * STEP)
    return slopes


def constant(values: object) -> Any:
    return opset13.constant(np.asarray(values))


def convolution(strides: int = 1, dilations: int = 1, **how: Any) -> Build:
    kernel = constant(numbers(3, 2, 3, 2, seed=1))
    settings: dict[str, Any] = {"pads_begin": [0, 0], "pads_end": [0, 0], "dilations": [dilations, 1], **how}
    return lambda given: opset13.convolution(given, kernel, strides=[strides, 1], **settings)


def enlarged(times: tuple[int, int] = (2, 3), mode: str = "nearest", **how: Any) -> Build:
    """Rows and columns repeated, as our networks are exported."""
    size = constant([side * factor for side, factor in zip(SHAPE[2:], times, strict=True)])
    settings = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor", **how}
    return lambda given: opset13.interpolate(given, size, mode, "sizes", axes=constant([2, 3]), **settings)


def residual(given: Any) -> Any:
    """What a block of the network does: one way through an activation, one around it, and both as one."""
    inner = opset13.relu(opset13.multiply(given, constant(numbers(1, 2, 1, 1, seed=2))))
    total = opset13.add(inner, given)
    return opset13.concat([total, opset13.relu(total), given], axis=1)


def repeated(given: Any) -> Any:
    """Each row twice, as Keras' upsampling is exported: shapes are computed while it runs."""
    twice = opset13.tile(opset13.unsqueeze(given, constant(3)), constant([1, 1, 1, 2, 1]))
    lengths = opset13.shape_of(given)
    doubled = opset13.multiply(lengths, constant(np.array([1, 1, 2, 1], np.int64)))
    return opset13.reshape(twice, doubled, special_zero=False)


GRAPHS: dict[str, Build] = {
    "Add": lambda given: opset13.add(given, constant(numbers(1, 2, 1, 1))),
    "Multiply": lambda given: opset13.multiply(constant(numbers(1, 2, 1, 1)), given),
    "square": lambda given: opset13.multiply(given, given),
    "Relu": opset13.relu,
    "Convolution": convolution(),
    "Convolution, padded as its input": convolution(auto_pad="same_upper"),
    "Convolution, padded unevenly": convolution(pads_begin=[2, 0], pads_end=[1, 1]),
    "Convolution, in steps that leave a row over": convolution(strides=2, pads_begin=[1, 0], pads_end=[0, 0]),
    "Convolution, dilated": convolution(dilations=2, pads_begin=[1, 1], pads_end=[1, 1]),
    "Concat": lambda given: opset13.concat([constant(numbers(1, 3, 4, 3)), given], axis=1),
    "Concat, from the last axis": lambda given: opset13.concat([given, constant(numbers(1, 2, 4, 2))], axis=-1),
    "Transpose": lambda given: opset13.transpose(given, constant([0, 2, 3, 1])),
    "Reshape": lambda given: opset13.reshape(given, constant([1, 6, 2, 2]), special_zero=False),
    "Unsqueeze": lambda given: opset13.unsqueeze(given, constant(2)),
    "Tile": lambda given: opset13.tile(given, constant([1, 3, 1, 2])),
    "Interpolate": enlarged(),
    "upsampling": repeated,
    "residual block": residual,
}


@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS)
def test_the_gradient_is_that_of_small_differences(build: Build) -> None:
    at = numbers(*SHAPE)
    function = forwards(build, SHAPE)
    wanted = numbers(*function(at).shape, seed=3)
    found = backwards(build, SHAPE)(at, wanted)
    np.testing.assert_allclose(found, by_differences(function, at, wanted), rtol=1e-4, atol=1e-4)


def test_every_rule_has_its_graph() -> None:
    assert set(RULES) <= set(GRAPHS)


def test_what_was_cut_off_has_no_gradient_and_0_neither() -> None:
    at = np.array([[-1.0, 0.0, 2.0]], np.float32)
    found = backwards(opset13.relu, at.shape)(at, np.array([[5.0, 5.0, 5.0]], np.float32))
    assert found.tolist() == [[0.0, 0.0, 5.0]]


def test_an_operation_without_a_rule_is_named() -> None:
    with pytest.raises(Unexplained, match="cannot be explained: Sigmoid. Known are Add, Concat"):
        backwards(opset13.sigmoid, SHAPE)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda given: opset13.add(given, constant(numbers(5, 2, 4, 3))), "its Add repeats what it is given"),
        (
            lambda given: opset13.tile(
                given, opset13.gather(opset13.shape_of(given), constant([0, 0, 0, 0]), constant(0))
            ),
            "input 1 of its Tile is computed",
        ),
        (enlarged(mode="linear"), "otherwise than by repeating"),
        (enlarged(nearest_mode="ceil"), "otherwise than by repeating"),
        (
            lambda given: opset13.convolution(constant(numbers(1, 2, 4, 3)), given, [1, 1], [0, 0], [0, 0], [1, 1]),
            "computes the kernel",
        ),
    ],
)
def test_what_no_rule_covers_is_told(build: Build, sentence: str) -> None:
    with pytest.raises(Unexplained, match=sentence):
        backwards(build, SHAPE)


def test_an_answer_that_does_not_depend_on_the_layer_is_told() -> None:
    given = opset13.parameter([1, 2], np.float32)
    aside, answer = opset13.relu(given), opset13.add(given, given)
    network = openvino.Model([opset13.result(aside), opset13.result(answer)], [given], "test")
    with pytest.raises(Unexplained, match="does not compute"):
        add_gradient(network, of=answer.output(0), by=aside.output(0), upstream=answer.output(0))
