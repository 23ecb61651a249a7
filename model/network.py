"""The ResNet34 U-Net of segmentation_models: build it, load its weights. TensorFlow lives here.

segmentation_models chooses its framework from SM_FRAMEWORK when it is imported, and greets on standard output.
The variable is therefore set here, before the import, and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

# TensorFlow greets on standard error unless told otherwise before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import h5py
import keras

from model.errors import WeightsError
from model.preprocess import INPUT_SIZE

CHANNELS = ("lesion", "lung")
"""What the output channels of our own weights mean, in order."""


def _import_segmentation_models() -> object:
    """Import segmentation_models for the Keras backend in use."""
    if keras.backend.backend() == "tensorflow":
        os.environ["SM_FRAMEWORK"] = "tf.keras"
    else:
        # The plain Keras path asks for a function that Keras 3 moved; it is the same function.
        os.environ["SM_FRAMEWORK"] = "keras"
        if not hasattr(keras.utils, "generic_utils"):
            keras.utils.generic_utils = keras.saving
    with contextlib.redirect_stdout(io.StringIO()):
        import segmentation_models
    return segmentation_models


sm = _import_segmentation_models()


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Layers built inside take this policy; the global one is put back afterwards."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def build_network(*, size: int = INPUT_SIZE, classes: int = len(CHANNELS), mixed_bfloat16: bool = False) -> keras.Model:
    """Build the untrained network.

    Parameters
    ----------
    size : height and width of the input in pixels, a multiple of 32.
    classes : output channels; 2 = lesion and lung, 1 = lesion only.
    mixed_bfloat16 : compute in bfloat16, keep weights and output in float32.

    Returns
    -------
    A model from (N, size, size, 1) float32 in 0.0 ... 1.0 to (N, size, size, classes) float32 probabilities.

    Raises
    ------
    ValueError : size is not a multiple of 32.
    """
    if size < 32 or size % 32:
        raise ValueError(f"size must be a positive multiple of 32, got {size}")
    with _dtype_policy("mixed_bfloat16" if mixed_bfloat16 else "float32"):
        network = sm.Unet(  # type: ignore[attr-defined]
            "resnet34",
            input_shape=(size, size, 1),
            classes=classes,
            activation="sigmoid",
            encoder_weights=None,
        )
    if not mixed_bfloat16:
        return network
    # The sigmoid is taken again in float32: near 1.0, bfloat16 has steps of 0.004, too coarse for a loss.
    logits = network.layers[-2].output
    return keras.Model(network.input, keras.layers.Activation("sigmoid", dtype="float32")(logits))


def load_network(weights: Path) -> keras.Model:
    """Build the network that fits a file and load its weights.

    Parameters
    ----------
    weights : .h5 or .hdf5 (weights only or full model, of Keras 2 or 3), .weights.h5 or .keras; the file's last
        convolution says how many classes there are.

    Raises
    ------
    WeightsError : the file is damaged, or holds another network.
    """
    try:
        if weights.suffix == ".keras":
            return _copy_of(keras.saving.load_model(weights, compile=False))
        network = build_network(classes=_count_classes(weights))
        network.load_weights(weights)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise WeightsError(
            f"{weights} does not fit the ResNet34 U-Net (448×448×1, one or two classes) or is damaged: {exc}"
        ) from exc
    return network


def _copy_of(model: keras.Model) -> keras.Model:
    """Return our network with the weights of a loaded model, whatever size or precision that was built for.

    Raises
    ------
    ValueError : the model is another network.
    """
    network = build_network(classes=int(model.output_shape[-1]))
    network.set_weights(model.get_weights())
    return network


def _count_classes(weights: Path) -> int:
    """Return the output channels of the last convolution in an HDF5 file.

    Raises
    ------
    ValueError : there is no 3×3 convolution from 16 channels, which this network ends in.
    """
    # Only the last convolution leads from 16 channels to other than 16.
    kernels = [shape for shape in _kernel_shapes(weights) if shape[:3] == (3, 3, 16) and shape[3] != 16]
    if len(kernels) != 1:
        raise ValueError("its last layer is not a 3×3 convolution from 16 channels")
    return int(kernels[0][3])


def _kernel_shapes(weights: Path) -> list[tuple[int, ...]]:
    """Return the shapes of all four-dimensional arrays of an HDF5 file's model, optimiser state left out."""
    shapes: list[tuple[int, ...]] = []

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 4 and not name.startswith("optimizer"):
            shapes.append(tuple(item.shape))

    with h5py.File(weights) as file:
        file.visititems(collect)
    return shapes
