"""The ResNet34 U-Net of segmentation_models: build it, load its weights. TensorFlow lives here.

segmentation_models chooses its framework from SM_FRAMEWORK when it is imported, and greets on standard output.
The variable is therefore set here, before the import, and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402  (after the variable that quietens TensorFlow)

from model.preprocess import INPUT_SIZE  # noqa: E402

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
            keras.utils.generic_utils = keras.saving  # type: ignore[attr-defined]
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


def build_network(
    *, size: int = INPUT_SIZE, classes: int = len(CHANNELS), mixed_bfloat16: bool = False
) -> keras.Model:
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
