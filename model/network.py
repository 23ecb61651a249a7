"""The networks: build one by its name, load its weights. TensorFlow lives here and in `model.architectures`.

The default is the ResNet34 U-Net of segmentation_models; the others are in `model.architectures`.

segmentation_models chooses its framework from SM_FRAMEWORK when it is imported, and greets on standard output.
The variable is therefore set here, before the import, and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

# TensorFlow greets on standard error unless told otherwise before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import h5py
import keras

from model.architectures import OTHERS, Architecture
from model.engine import KERAS_SUFFIXES
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


def _build_resnet34_unet(size: int, classes: int) -> keras.Model:
    return sm.Unet(  # type: ignore[attr-defined]
        "resnet34", input_shape=(size, size, 1), classes=classes, activation="sigmoid", encoder_weights=None
    )


DEFAULT = "resnet34-unet"
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        DEFAULT: Architecture(
            name=DEFAULT,
            title="ResNet34 U-Net",
            default_size=INPUT_SIZE,
            default_loss="bce-jaccard",
            build=_build_resnet34_unet,
            description="A U-Net whose encoder is a ResNet34, its input normalised by its first layer.",
            source="segmentation_models 1.0.1, https://github.com/qubvel/segmentation_models",
        )
    }
    | {architecture.name: architecture for architecture in OTHERS}
)
"""All networks by name."""


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
    *, arch: str = DEFAULT, size: int | None = None, classes: int = len(CHANNELS), mixed_bfloat16: bool = False
) -> keras.Model:
    """Build an untrained network.

    Parameters
    ----------
    arch : a name in ARCHITECTURES.
    size : height and width of the input in pixels, a multiple of 32; None = the default of the architecture.
    classes : output channels; 2 = lesion and lung, 1 = lesion only.
    mixed_bfloat16 : compute in bfloat16, keep weights and output in float32.

    Returns
    -------
    A model from (N, size, size, 1) float32 in 0.0 ... 1.0 to (N, size, size, classes) float32 probabilities.

    Raises
    ------
    ValueError : there is no such architecture, or size is not a multiple of 32.
    """
    architecture = find_architecture(arch)
    side = _check_size(architecture.default_size if size is None else size)
    with _dtype_policy("mixed_bfloat16" if mixed_bfloat16 else "float32"):
        network = architecture.build(side, classes)
    if network.output.dtype == "float32":
        return network
    # The sigmoid is taken again in float32: near 1.0, bfloat16 has steps of 0.004, too coarse for a loss.
    logits = network.layers[-2].output
    return keras.Model(network.input, keras.layers.Activation("sigmoid", dtype="float32")(logits))


def find_architecture(name: str) -> Architecture:
    """Return an architecture by its name.

    Raises
    ------
    ValueError : there is none of this name.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"arch must be one of {', '.join(ARCHITECTURES)}, got {name!r}")
    return ARCHITECTURES[name]


def _check_size(size: int) -> int:
    # The ResNet34 U-Net halves its input five times, the others four times; one rule is easier to remember.
    if size < 32 or size % 32:
        raise ValueError(f"size must be a positive multiple of 32, got {size}")
    return size


def load_network(weights: Path, *, arch: str = DEFAULT, size: int | None = None) -> keras.Model:
    """Build the network that fits a file and load its weights.

    Parameters
    ----------
    weights : .h5 or .hdf5 (weights only or full model, of Keras 2 or 3), .weights.h5 or .keras; the file's last
        convolution says how many classes there are.
    arch, size : as in `build_network`.

    Raises
    ------
    WeightsError : the file is missing, of another kind, damaged, or holds another network.
    ValueError : there is no such architecture, or size is not a multiple of 32.
    """
    _refuse_other_kinds(weights)
    architecture = find_architecture(arch)
    side = _check_size(architecture.default_size if size is None else size)
    try:
        return _load(weights, arch, side)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        wanted = f"{architecture.title} ({side}×{side}×1, one or two classes)"
        raise WeightsError(f"{weights} does not fit the {wanted} or is damaged: {exc}") from exc


def _refuse_other_kinds(weights: Path) -> None:
    if weights.suffix not in KERAS_SUFFIXES:
        raise WeightsError(
            f"{weights} holds no Keras weights, which are needed here: name a file that ends in "
            f"{', '.join(KERAS_SUFFIXES)}. Beside a served NAME.xml it is NAME.weights.h5."
        )
    if not weights.is_file():
        raise WeightsError(f"{weights} does not exist. Check the path.")


def _load(weights: Path, arch: str, size: int) -> keras.Model:
    """Load weights of any format into a network of this size, whatever size or precision they were trained at."""
    if weights.suffix == ".keras":
        model = keras.saving.load_model(weights, compile=False)
        network = build_network(arch=arch, size=size, classes=int(model.output_shape[-1]))
        network.set_weights(model.get_weights())
        return network
    network = build_network(arch=arch, size=size, classes=_count_classes(_kernel_shapes(weights)))
    _fill(network, weights)
    return network


def load_into(network: keras.Model, weights: Path) -> None:
    """Load weights of HDF5 into a network that is built already, of whatever precision.

    Raises
    ------
    WeightsError : the file is missing or damaged, or holds another network.
    """
    try:
        _fill(network, weights)
    except (OSError, ValueError, KeyError) as exc:
        raise WeightsError(f"{weights} does not fit the network or is damaged: {exc}") from exc


def _fill(network: keras.Model, weights: Path) -> None:
    # Keras itself may only warn of what does not fit, and leave such layers as they were drawn.
    wanted = sorted(tuple(weight.shape) for weight in network.weights if len(weight.shape) == 4)
    if sorted(_kernel_shapes(weights)) != wanted:
        raise ValueError("its convolutions are those of another network")
    network.load_weights(weights)


def _count_classes(kernels: Sequence[tuple[int, ...]]) -> int:
    """Return the output channels of the last convolution, which has the fewest in all these networks.

    Raises
    ------
    ValueError : there is no convolution.
    """
    if not kernels:
        raise ValueError("it holds no convolution")
    return min(kernel[-1] for kernel in kernels)


def _kernel_shapes(weights: Path) -> list[tuple[int, ...]]:
    """Return the shapes of all four-dimensional arrays of an HDF5 file's model, optimiser state left out."""
    shapes: list[tuple[int, ...]] = []

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 4 and not name.startswith("optimizer"):
            shapes.append(tuple(item.shape))

    with h5py.File(weights) as file:
        file.visititems(collect)
    return shapes
