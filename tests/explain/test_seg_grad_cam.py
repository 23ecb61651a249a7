from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13

from model.card import SHIPPED_WEIGHTS
from model.errors import Unexplained
from model.explain.seg_grad_cam import Explainer, explain_call, fit_to_picture, wanted_pixels, weigh
from model.findings import Mask
from model.phantom import EXAMPLES, draw_phantom
from model.preprocess import preprocess

FloatArray = NDArray[np.float32]

SIDE = 448


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    """The shipped network."""
    return Explainer()


def box(rows: slice, columns: slice, shape: tuple[int, int] = (SIDE, SIDE)) -> Mask:
    mask = np.zeros(shape, np.bool_)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize("kind", ["one", "many", "none"])
def test_the_map_is_that_of_tensorflow(explainer: Explainer, kind: str) -> None:
    from model.network import load_network  # Loading TensorFlow takes seconds.
    from training.explain import explain

    network = load_network(SHIPPED_WEIGHTS.with_suffix(".weights.h5"))
    network_input = preprocess(draw_phantom(EXAMPLES[kind]))
    # The lesions that are called, and a place where none is: the map must agree there too.
    called = network.predict_on_batch(network_input[np.newaxis])[0, ..., 0] >= 0.5
    for mask in (called, box(slice(200, 260), slice(120, 180))):
        if mask.any():
            served, trained = explainer.explain(network_input, mask), explain(network, network_input, mask)
            assert trained.max() > 0.9
            assert np.corrcoef(served.ravel(), trained.ravel())[0, 1] > 0.999
            # The served weights are rounded to 16 bit.
            assert np.abs(served - trained).max() < 0.02


def test_one_explainer_answers_again_and_again(explainer: Explainer) -> None:
    network_input = preprocess(draw_phantom(EXAMPLES["many"]))
    left, right = box(slice(150, 300), slice(60, 200)), box(slice(150, 300), slice(250, 400))
    first = explainer.explain(network_input, left)
    other = explainer.explain(network_input, right)
    assert not np.allclose(first, other, atol=0.1)
    np.testing.assert_array_equal(explainer.explain(network_input, left), first)


def test_an_empty_mask_is_a_mistake(explainer: Explainer) -> None:
    with pytest.raises(ValueError, match="mask is empty"):
        explainer.explain(np.zeros((SIDE, SIDE, 1), np.float32), box(slice(0), slice(0)))


def save_network(file: Path, *, side: int = SIDE // 8, last: Any = opset13.sigmoid, bias: float = -1.0) -> Path:
    """A network that looks at blocks of 8 pixels and calls what is bright on the mean; the bias is of its logits."""
    data = opset13.parameter([1, SIDE, SIDE, 1], np.float32, "data")
    gray = opset13.transpose(data, opset13.constant([0, 3, 1, 2]))
    step = SIDE // side
    mean = opset13.constant(np.full((1, 1, step, step), 1.0 / step**2, np.float32))
    coarse = opset13.relu(opset13.convolution(gray, mean, [step, step], [0, 0], [0, 0], [1, 1]))
    apart = opset13.reshape(coarse, opset13.constant([1, 1, side, 1, side, 1]), special_zero=False)
    fine = opset13.tile(apart, opset13.constant([1, 1, 1, step, 1, step]))
    whole = opset13.reshape(fine, opset13.constant([1, 1, SIDE, SIDE]), special_zero=False)
    weight = opset13.constant(np.full((1, 1, 1, 1), np.sign(-bias) * 4.0, np.float32))
    logits = opset13.add(opset13.multiply(whole, weight), opset13.constant(np.full((1, 1, 1, 1), bias, np.float32)))
    answer = opset13.transpose(last(logits), opset13.constant([0, 2, 3, 1]))
    openvino.save_model(openvino.Model([opset13.result(answer)], [data], "test"), file)
    return file


def test_a_network_with_one_channel_is_explained_as_by_hand(tmp_path: Path) -> None:
    explainer = Explainer(save_network(tmp_path / "bright.xml"), threads=1)
    network_input = np.zeros((SIDE, SIDE, 1), np.float32)
    network_input[80:160, 80:160] = 0.5
    network_input[240:320, 80:160] = 1.0
    found = explainer.explain(network_input, box(slice(240, 320), slice(80, 160)))
    # There is one feature, the mean of a block, and it speaks for lesion: the map is that feature by its maximum.
    assert found[120, 120] == pytest.approx(0.5, abs=0.01)
    assert found[280, 120] == 1.0
    assert found[280, 300] == 0.0


def test_a_network_that_cannot_be_explained_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unexplained, match="served form .* training.export"):
        Explainer(tmp_path / "some.weights.h5")
    with pytest.raises(Unexplained, match="does not end in a sigmoid"):
        Explainer(save_network(tmp_path / "a.xml", last=opset13.relu))
    with pytest.raises(Unexplained, match="no activation of 56×56"):
        Explainer(save_network(tmp_path / "b.xml", side=SIDE // 16))
    with pytest.raises(Unexplained, match="cannot be explained: Tanh"):
        Explainer(save_network(tmp_path / "c.xml", last=lambda logits: opset13.sigmoid(opset13.tanh(logits))))
    (tmp_path / "d.xml").write_text("<net/>")
    with pytest.raises(Unexplained, match="d.xml cannot be explained"):
        Explainer(tmp_path / "d.xml")


def test_an_empty_map_is_told(tmp_path: Path) -> None:
    # Bright speaks against lesion here.
    explainer = Explainer(save_network(tmp_path / "dark.xml", bias=1.0))
    with pytest.raises(Unexplained, match="it is empty"):
        explain_call(explainer, np.full((64, 64), 200, np.uint8), box(slice(9, 20), slice(9, 20), (64, 64)))


def test_a_slice_gets_its_map_in_its_own_shape_and_place(tmp_path: Path) -> None:
    explainer = Explainer(save_network(tmp_path / "bright.xml"))
    gray = np.zeros((100, 200), np.uint8)
    gray[20:40, 140:180] = 255
    called = gray > 0
    # With rows twice as far apart as columns, the network sees a square.
    for spacing_mm in (None, (2.0, 1.0)):
        found = explain_call(explainer, gray, called, spacing_mm=spacing_mm)
        assert found.shape == gray.shape
        assert found[30, 160] > 0.95
        assert found[30, 60] == found[70, 160] == 0.0


def test_the_map_is_weighed_as_by_hand() -> None:
    activations = np.array([[[1, 1], [0, 2]], [[3, 0], [0, 0]]], np.float32)
    gradient = np.array([[[8, 2], [0, -4]], [[0, 0], [0, 0]]], np.float32)
    # The weights are 2 and -0.5, the sums 1.5, -1, 6 and 0.
    assert weigh(activations, gradient, 2).tolist() == [[0.25, 0.0], [1.0, 0.0]]
    assert weigh(activations, -gradient[..., :1], 2).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert weigh(activations, gradient, 8).shape == (8, 8)


def test_the_border_of_the_input_is_no_part_of_the_picture() -> None:
    found = np.zeros((8, 8), np.float32)
    found[2:6] = 1.0
    assert fit_to_picture(found, (20, 40)).tolist() == np.ones((20, 40)).tolist()


def test_the_smallest_lesion_keeps_a_pixel() -> None:
    shape = (2 * SIDE, 2 * SIDE)
    found = wanted_pixels(box(slice(101, 102), slice(200, 201), shape), shape)
    assert np.argwhere(found).tolist() == [[50, 100]]
