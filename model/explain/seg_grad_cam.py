"""Slice + called lesion -> Seg-Grad-CAM map, by the served form of the network, without TensorFlow.

Vinogradova et al., Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation Mapping,
AAAI 2020.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import SHIPPED_WEIGHTS
from model.engine import float_form
from model.errors import Unexplained
from model.findings import Mask
from model.preprocess import INPUT_SIZE, Gray, letterbox, placement, preprocess, resize, square_shape

FloatArray = NDArray[np.float32]

FINER_THAN_INPUT = 8
"""The map is taken at an eighth of the input's side, in the decoder: fine enough for lesions of 20 pixels."""

NOTHING_CALLED = (
    "No lesion is called at the threshold {threshold:g}, so there is nothing to explain. Lower the threshold."
)
NOTHING_FOUND = "No part of this slice raised the score of what was called, as far as the map can tell: it is empty."
SERVED_FORM_ONLY = (
    "Explanations need the network in its served form (.xml with its .bin): export it with training.export."
)


class Explainer:
    """A network in OpenVINO form, run forwards and back; may be called from several threads."""

    def __init__(self, weights: Path = SHIPPED_WEIGHTS, *, threads: int = 0) -> None:
        """Load a network and build its gradient.

        weights : of the network; it is explained in floating point, since rounding has no gradient.
        threads : processor threads; 0 = one for each core.

        Raises
        ------
        Unexplained : the file is not in the served form, or the network has an operation without a rule.
        """
        if weights.suffix != ".xml":
            raise Unexplained(SERVED_FORM_ONLY)
        import openvino  # Takes a fifth of a second.

        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": threads,
        }
        core = openvino.Core()
        try:
            there_and_back = _with_gradient(core.read_model(float_form(weights)))
            self._compiled = core.compile_model(there_and_back, "CPU", settings)
        except RuntimeError as exc:
            raise Unexplained(f"{weights.name} cannot be explained: OpenVINO cannot run its gradient.") from exc
        self._channels = int(there_and_back.input("wanted").shape[3])
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()

    def explain(self, network_input: FloatArray, mask: Mask) -> FloatArray:
        """Return the map of a lesion that was called.

        Parameters
        ----------
        network_input : (448, 448, 1) float32 in 0.0 ... 1.0, as `model.preprocess.preprocess` gives it.
        mask : (448, 448) bool: the pixels to be explained, one or more.

        Returns
        -------
        (448, 448) float32 in 0.0 ... 1.0; see `weigh`.
        """
        if not mask.any():
            raise ValueError("mask is empty: there is no lesion to explain")
        wanted = np.zeros((1, *mask.shape, self._channels), np.float32)
        wanted[0, ..., 0] = mask
        with self._lock:
            answers = self._request.infer({"data": network_input[np.newaxis], "wanted": wanted})
            activations, gradient = (np.moveaxis(answers[number][0], 0, -1).copy() for number in range(2))
            del answers
            # Seventy megabytes, which few requests in a while do not need to hold.
            self._compiled.release_memory()
        return weigh(activations, gradient, mask.shape[0])


def _with_gradient(network: Any) -> Any:
    """Return a network that takes a slice and the pixels that are wanted, and gives activations and gradient.

    network : an `openvino.Model` from (1, size, size, 1) to (1, size, size, C) by a sigmoid; it is changed.

    Returns
    -------
    An `openvino.Model` from "data" and "wanted", (1, size, size, C), to activations and the gradient of the sum of the
    wanted logits by them, (1, channels, h, w) each.
    """
    import openvino
    from openvino import opset13

    from model.explain.gradient import add_gradient

    _leave_off_sigmoid(network)
    layer = _layer(network).output(0)
    logits = network.output(0).get_node().input_value(0)
    data, wanted = network.get_parameters()[0], opset13.parameter(list(logits.get_shape()), np.float32, "wanted")
    data.output(0).get_tensor().set_names({"data"})
    wanted.output(0).get_tensor().set_names({"wanted"})
    gradient = add_gradient(network, of=logits, by=layer, upstream=wanted.output(0))
    return openvino.Model([opset13.result(layer), opset13.result(gradient)], [data, wanted], "seg-grad-cam")


def _leave_off_sigmoid(network: Any) -> None:
    """Let a network answer with logits, whose gradient does not vanish where it is certain."""
    sigmoids = [node for node in network.get_ordered_ops() if node.get_type_name() == "Sigmoid"]
    if not sigmoids:
        raise Unexplained("This network cannot be explained: it does not end in a sigmoid.")
    sigmoids[-1].output(0).replace(sigmoids[-1].input_value(0))


def _layer(network: Any) -> Any:
    """Return the last activation at an eighth of the input's side: training.explain.LAYER in our networks."""
    side = network.input(0).shape[1] // FINER_THAN_INPUT
    found = [
        node
        for node in network.get_ordered_ops()
        if node.get_type_name() == "Relu" and list(node.output(0).get_shape())[2:] == [side, side]
    ]
    if not found:
        raise Unexplained(f"This network cannot be explained: it has no activation of {side}×{side}.")
    return found[-1]


def weigh(activations: FloatArray, gradient: FloatArray, size: int) -> FloatArray:
    """Return the Seg-Grad-CAM map of a layer.

    The mean gradient by each activation map is the map's weight; the weighted sum of the maps, negative parts cut off,
    is the answer.

    Parameters
    ----------
    activations : (h, w, channels) float32.
    gradient : the same shape: of the sum of the logits in question by the activations.
    size : of the network input.

    Returns
    -------
    (size, size) float32 in 0.0 ... 1.0, divided by its maximum; 0.0 everywhere where nothing speaks for a lesion.
    """
    weights = gradient.mean(axis=(0, 1))  # (channels,)
    raw = np.maximum((activations * weights).sum(axis=-1), 0.0)
    highest = float(raw.max())
    unit = (raw / highest if highest > 0.0 else raw).astype(np.float32)
    return np.clip(resize(unit, (size, size)), 0.0, 1.0)


def fit_to_picture(found: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Bring a map, (size, size) float32, to the height and width of the picture that it is of."""
    return resize(np.ascontiguousarray(found[placement(shape, found.shape[0]).window]), shape)


def explain_call(
    explainer: Explainer, gray: Gray, called: Mask, *, spacing_mm: tuple[float, float] | None = None
) -> FloatArray:
    """Return the map of what was called in a slice. One look is explained, where the call is the mean of several too.

    Parameters
    ----------
    gray : (H, W) uint8, the slice as displayed.
    called : (H, W) bool, one pixel or more.
    spacing_mm : height and width of a pixel, None where unknown.

    Returns
    -------
    (H, W) float32 in 0.0 ... 1.0.

    Raises
    ------
    Unexplained : no part of the slice raised the lesion's score, so the map is empty.
    """
    shape = (called.shape[0], called.shape[1])
    square = square_shape(shape, spacing_mm)
    network_input = preprocess(resize(np.asarray(gray, np.float32), square), size=INPUT_SIZE)
    found = explainer.explain(network_input, wanted_pixels(called, square))
    if not found.any():
        raise Unexplained(NOTHING_FOUND)
    return resize(fit_to_picture(found, square), shape)


def wanted_pixels(called: Mask, square: tuple[int, int], *, size: int = INPUT_SIZE) -> Mask:
    """Bring a called lesion to the network's input, never without a pixel: a small one keeps where it is densest.

    called : (H, W) bool, one pixel or more. square : the height and width that show the patient's proportions.

    >>> wanted_pixels(np.array([[True, False, False, False]] * 4), (4, 4), size=2).tolist()
    [[True, False], [True, False]]
    """
    covered = letterbox(resize(called.astype(np.float32), square), size)
    return np.asarray(covered >= min(0.5, float(covered.max())), np.bool_)
