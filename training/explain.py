"""Which parts of a slice made the network call a lesion: Seg-Grad-CAM, and a shuffled copy to check it by.

python -m training.explain --weights model/weights/NAME.weights.h5 --image slice.png --out map.png

The gradient is TensorFlow's here, for weights that are not exported; `model.explain` has the same for the served form.

Vinogradova et al., Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation Mapping,
AAAI 2020.
Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from model.explain.draw import draw_map
from model.explain.seg_grad_cam import fit_to_picture, weigh
from model.findings import Mask, lesion_mask
from model.network import build_network, load_network
from model.options import threshold as read_threshold
from model.png import encode_png
from model.preprocess import preprocess
from training.commands import sentences
from training.data.dataset import read_gray
from training.measures.uncertainty import rank_correlation

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]

LAYER = "decoder_stage1b_relu"
"""Where the map is taken: in the decoder, at an eighth of the input's side, fine enough for lesions of 20 pixels."""


def explain(network: keras.Model, network_input: FloatArray, mask: Mask, *, layer: str = LAYER) -> FloatArray:
    """Return the Seg-Grad-CAM map of the lesion channel.

    The logits of the lesion inside `mask` are added up; of the gradient of that sum by the activations of `layer`,
    `model.explain.seg_grad_cam.weigh` makes the map.

    Parameters
    ----------
    network : as `model.network.load_network` gives it, with a sigmoid as its last layer.
    network_input : (size, size, 1) float32 in 0.0 ... 1.0.
    mask : (size, size) bool, the pixels to be explained.
    layer : name of a convolutional layer or its activation.

    Returns
    -------
    (size, size) float32 in 0.0 ... 1.0, divided by its maximum; 0.0 everywhere where nothing speaks for a lesion.

    Raises
    ------
    ValueError : the mask is empty, or there is no such layer.
    """
    if not mask.any():
        raise ValueError("mask is empty: there is no lesion to explain, choose another slice or a lower threshold")
    activations, gradient = _gradient(network, network_input, mask, layer)
    return weigh(activations, gradient, network_input.shape[0])


def _gradient(
    network: keras.Model, network_input: FloatArray, mask: Mask, layer: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a layer's activations and the gradient of the summed lesion logits by them, (h, w, channels) each."""
    import tensorflow as tf  # Loading it takes seconds, which --help should not.

    names = [known.name for known in network.layers]
    if layer not in names:
        raise ValueError(f"the network has no layer {layer!r}; its last ones are {', '.join(names[-8:])}")
    # The last layer is the sigmoid, the one before it gives the logits.
    probe = keras.Model(network.input, [network.get_layer(layer).output, network.layers[-2].output])
    wanted = tf.constant(mask, tf.float32)
    with tf.GradientTape() as tape:
        activations, logits = probe(network_input[np.newaxis], training=False)
        tape.watch(activations)
        total = tf.reduce_sum(logits[0, ..., 0] * wanted)
    gradient = tape.gradient(total, activations)
    return activations.numpy()[0], gradient.numpy()[0]


def randomise(network: keras.Model, inputs: FloatArray, rng: np.random.Generator) -> keras.Model:
    """Return a copy of a network that has learned nothing but still sees the picture, to hold its maps against.

    The weights of each kernel are shuffled, so that they keep their distribution. The means and variances of the batch
    normalisation are taken anew from `inputs`: those of the trained kernels would damp what the shuffled ones give, and
    the copy would answer alike for any picture.

    Parameters
    ----------
    network : as `model.network.load_network` gives it.
    inputs : (N, size, size, 1) float32 in 0.0 ... 1.0, N at least 1: slices that the maps will be of.
    """
    copy = build_network(size=int(network.input_shape[1]), classes=int(network.output_shape[-1]))
    copy.set_weights([_shuffled(weight, rng) if weight.ndim == 4 else weight for weight in network.get_weights()])
    _measure_normalisation(copy, inputs)
    return copy


def _shuffled(weight: FloatArray, rng: np.random.Generator) -> FloatArray:
    return rng.permutation(weight.ravel()).reshape(weight.shape)


def _measure_normalisation(network: keras.Model, inputs: FloatArray) -> None:
    """Put the means and variances of (N, size, size, 1) float32 in place of those that batch normalisation keeps."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in layers]
    # Without momentum one pass forgets what was kept before.
    for layer in layers:
        layer.momentum = 0.0
    network(inputs, training=True)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum


def likeness(trained: FloatArray, randomised: FloatArray) -> float:
    """Return Spearman's correlation of two maps of one shape: near 1 where the weights do not matter, which is bad.

    NaN where a map is constant.
    """
    return rank_correlation(trained.ravel().tolist(), randomised.ravel().tolist())


def explain_picture(network: keras.Model, image: NDArray[np.uint8], *, threshold: float, layer: str) -> FloatArray:
    """Return the map of the lesions called in (H, W) uint8, at the picture's height and width.

    Raises
    ------
    ValueError : nothing is called at the threshold.
    """
    size = int(network.input_shape[1])
    network_input = preprocess(image, size=size)
    answer = network.predict_on_batch(network_input[np.newaxis])[0]
    found = explain(network, network_input, lesion_mask(answer[..., 0], threshold), layer=layer)
    return fit_to_picture(found, (image.shape[0], image.shape[1]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, explain one picture, write the map over it; what is wrong goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m training.explain", description="Show what a call rests on.")
    parser.add_argument("--weights", type=Path, required=True, help="Keras weights, such as NAME.weights.h5")
    parser.add_argument("--image", type=Path, required=True, help="a slice, 8-bit gray")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--threshold", type=read_threshold, default=0.5, help="of the lesion (default: %(default)s)")
    parser.add_argument("--layer", default=LAYER, help="of the network (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with sentences(parser):
        image = read_gray(options.image)
        network = load_network(options.weights)
        found = explain_picture(network, image, threshold=options.threshold, layer=options.layer)
        options.out.write_bytes(encode_png(draw_map(image, found)))
        log.info("wrote %s", options.out)


if __name__ == "__main__":
    main()
