"""A network -> the forms in which it is kept: for TensorFlow, for OpenVINO in floating point and in whole numbers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import openvino

from model.preprocess import preprocess
from training.data.dataset import Row, read_sample
from training.light_end import LightEnd, replace_end
from training.subpixel import gather_answers, merge_enlargements


def divide_lesion_logit(network: keras.Model, temperature: float) -> None:
    """Divide the logit of a network's first channel, the lesion, by a temperature; changes the last convolution.

    Raises
    ------
    ValueError : the temperature is not above 0.
    """
    # Written so that NaN fails too.
    if not 0.0 < temperature < float("inf"):
        raise ValueError(f"temperature must be above 0, got {temperature}")
    last = next(layer for layer in reversed(network.layers) if layer.weights)
    kernel, bias = (weight.copy() for weight in last.get_weights())  # (3, 3, maps, classes), (classes,)
    kernel[..., 0] /= temperature
    bias[0] /= temperature
    last.set_weights([kernel, bias])


def save_in_16_bit(network: keras.Model, file: Path) -> None:
    """Write the weights of a network in Keras' format, in half precision: half the size, read back as float32."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.weights.h5"
        network.save_weights(whole)
        with h5py.File(whole) as source, h5py.File(file, "w") as target:
            source.visititems(lambda name, item: _copy_in_16_bit(target, name, item))


def _copy_in_16_bit(target: h5py.File, name: str, item: Any) -> None:
    if isinstance(item, h5py.Dataset):
        halved = item[()].astype(np.float16) if item.dtype == np.float32 else item[()]
        target.create_dataset(name, data=halved)
    else:
        target.require_group(name)
    for key, value in item.attrs.items():
        target[name].attrs[key] = value


class Nearest(keras.layers.Layer):  # type: ignore[misc]  # Keras states no types.
    """Enlarges by a whole factor, each pixel repeated, as `keras.layers.UpSampling2D` does.

    That layer is exported as tiles that are turned round, through which no quantiser sees: the convolutions behind it,
    half of the work, would stay in floating point. This one is exported as one operation.
    """

    def __init__(self, factor: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self._factor = factor

    def call(self, inputs: Any) -> Any:
        """Enlarge (N, H, W, C)."""
        size = tuple(side * times for side, times in zip(inputs.shape[1:3], self._factor, strict=True))
        return keras.ops.image.resize(inputs, size, interpolation="nearest")


def exportable(network: keras.Model) -> keras.Model:
    """Return a copy of a network that answers the same and is made of operations which OpenVINO knows."""
    copy = keras.models.clone_model(network, clone_function=_exportable_layer)
    copy.set_weights(network.get_weights())
    return copy


def _exportable_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, keras.layers.UpSampling2D) and layer.interpolation == "nearest":
        return Nearest(tuple(layer.size), name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def save_for_openvino(network: keras.Model, file: Path) -> None:
    """Write a network as OpenVINO's .xml, with a .bin beside it that holds the weights in half precision."""
    with tempfile.TemporaryDirectory() as folder:
        exportable(network).export(folder, format="tf_saved_model", verbose=False)
        # Not openvino.convert_model, which reports its use to its makers.
        converted = openvino.Core().read_model(folder)
        converted.reshape([1, *network.input_shape[1:]])
        openvino.save_model(converted, file, compress_to_fp16=True)


def save_in_8_bit(floating: Path, file: Path, rows: Sequence[Row], end: LightEnd | None = None) -> None:
    """Write a network that computes in whole numbers of 8 bits where that is possible.

    The ranges of activations are those seen on slices, and the biases of layers are corrected for what rounding moves
    on the mean ("post-training quantisation", Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
    Correction, ICCV 2019, as NNCF does it).

    Parameters
    ----------
    floating : the .xml in floating point. file : the .xml to be written.
    rows : slices that the network was trained on; some hundred are enough.
    end : in place of the network's own; None where it keeps that.
    """
    # NNCF would report its use to its makers.
    os.environ["NNCF_CI"] = "1"
    import nncf

    slices = nncf.Dataset(list(rows), lambda row: {0: preprocess(read_sample(row).image)[np.newaxis]})
    model = openvino.Core().read_model(floating)
    if end is not None:
        replace_end(model, end)
    merge_enlargements(model)
    gather_answers(model)
    whole = nncf.quantize(
        model,
        slices,
        # Activations may be negative behind the batch normalisation at the entrance.
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(rows),
        target_device=nncf.TargetDevice.CPU,
        # Processors without VNNI add pairs of products in 16 bits, which 8-bit weights overflow: with 7 bits all
        # processors give one answer.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.quantization.advanced_parameters.OverflowFix.ENABLE
        ),
    )
    openvino.save_model(whole, file, compress_to_fp16=True)
