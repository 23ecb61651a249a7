"""The networks in plain Keras that the default one is compared with; `model.network` imports this, and lists them all.

Every network takes (N, size, size, 1) float32 in 0.0 ... 1.0, as the one preprocessing function gives it, and answers
(N, size, size, classes) float32 probabilities. What a design wants otherwise, such as three channels, it makes of
that itself, in a layer of its own. Nothing here depends on the backend of Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

Tensor = Any
"""A symbolic tensor of Keras, (N, H, W, filters)."""

UNET_FILTERS = (64, 128, 256, 512, 1024)
SMALL_FILTERS = (16, 32, 64, 128, 256)
SMALL_DROPOUT = (0.1, 0.1, 0.2, 0.2, 0.3)
HYBRID_FILTERS = (32, 64, 128, 256, 512)
"""Filters, and share of dropped values, from the full resolution down to a sixteenth of it."""


@dataclass(frozen=True)
class Architecture:
    """A network that can be built: `build` takes size and classes, under the dtype policy that is in force."""

    name: str  # as the command line and the configuration have it
    title: str  # as sentences have it
    default_size: int  # side of the input in pixels
    default_loss: str  # as the configuration has it: "bce-jaccard", "dice" or "bce"
    build: Callable[[int, int], keras.Model]
    description: str
    source: str


def build_unet(size: int, classes: int) -> keras.Model:
    """Build the plain U-Net with batch normalisation."""
    gray = keras.Input((size, size, 1), name="gray")
    # The design is one for colour pictures.
    coloured = layers.Concatenate(name="gray_three_times")([gray, gray, gray])
    return _finish(gray, _unet(coloured, UNET_FILTERS, _normalised_level), classes)


def build_small_unet(size: int, classes: int) -> keras.Model:
    """Build the small U-Net with dropout."""
    gray = keras.Input((size, size, 1), name="gray")
    return _finish(gray, _unet(gray, SMALL_FILTERS, _dropout_level), classes)


def build_resnet_hybrid(size: int, classes: int) -> keras.Model:
    """Build the U-Net whose encoder is a residual network."""
    gray = keras.Input((size, size, 1), name="gray")
    skips: list[Tensor] = []
    tensor: Tensor = gray
    for level, filters in enumerate(HYBRID_FILTERS):
        tensor = _residual_block(tensor, filters, 1 if level == 0 else 2, f"encoder{level}_a")
        tensor = _residual_block(tensor, filters, 1, f"encoder{level}_b")
        skips.append(tensor)
    return _finish(gray, _decode(skips, HYBRID_FILTERS, _normalised_level), classes)


def _unet(tensor: Tensor, filters: Sequence[int], level_of: Callable[[Tensor, int, str], Tensor]) -> Tensor:
    """Add an encoder with max pooling, and its decoder; `level_of` makes the two convolutions of a level."""
    skips: list[Tensor] = []
    for level, count in enumerate(filters):
        if skips:
            tensor = layers.MaxPooling2D(name=f"encoder{level}_pool")(skips[-1])
        skips.append(level_of(tensor, count, f"encoder{level}"))
    return _decode(skips, filters, level_of)


def _decode(skips: Sequence[Tensor], filters: Sequence[int], level_of: Callable[[Tensor, int, str], Tensor]) -> Tensor:
    """Go from the deepest of `skips` up to the full resolution, taking in one of the others at each level."""
    tensor = skips[-1]
    for level in reversed(range(len(skips) - 1)):
        name = f"decoder{level}"
        tensor = layers.Conv2DTranspose(filters[level], 2, strides=2, padding="same", name=f"{name}_up")(tensor)
        tensor = layers.Concatenate(name=f"{name}_skip")([tensor, skips[level]])
        tensor = level_of(tensor, filters[level], name)
    return tensor


def _finish(gray: Tensor, features: Tensor, classes: int) -> keras.Model:
    """Add the probabilities; in float32 always, as bfloat16 near 1.0 has steps of 0.004, too coarse for a loss."""
    logits = layers.Conv2D(classes, 1, name="logits")(features)
    return keras.Model(gray, layers.Activation("sigmoid", dtype="float32", name="probability")(logits))


def _normalised_level(tensor: Tensor, filters: int, name: str) -> Tensor:
    """Twice: 3×3 convolution, batch normalisation, ReLU."""
    for part in ("a", "b"):
        tensor = _convolve(tensor, filters, name=f"{name}_{part}")
        tensor = layers.Activation("relu", name=f"{name}_{part}_relu")(tensor)
    return tensor


def _dropout_level(tensor: Tensor, filters: int, name: str) -> Tensor:
    """Two 3×3 convolutions with ReLU, and dropout between them."""
    share = SMALL_DROPOUT[SMALL_FILTERS.index(filters)]
    first, second = (
        layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"{name}_{part}_conv"
        )
        for part in ("a", "b")
    )
    return second(layers.Dropout(share, name=f"{name}_dropout")(first(tensor)))


def _residual_block(tensor: Tensor, filters: int, stride: int, name: str) -> Tensor:
    """Two 3×3 convolutions beside a shortcut, ReLU after their sum: the block of the first ResNet (post-activation).

    Where filters or resolution change, the shortcut is a 1×1 convolution, else the input itself.
    """
    shortcut = tensor
    if stride != 1 or tensor.shape[-1] != filters:
        shortcut = _convolve(tensor, filters, side=1, stride=stride, name=f"{name}_shortcut")
    tensor = _convolve(tensor, filters, stride=stride, name=f"{name}_first")
    tensor = layers.Activation("relu", name=f"{name}_first_relu")(tensor)
    tensor = _convolve(tensor, filters, name=f"{name}_second")
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([tensor, shortcut]))


def _convolve(tensor: Tensor, filters: int, *, name: str, side: int = 3, stride: int = 1) -> Tensor:
    """Convolution and batch normalisation; the shift of the normalisation stands for a bias."""
    convolved = layers.Conv2D(
        filters,
        side,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(tensor)
    return layers.BatchNormalization(name=f"{name}_bn")(convolved)


OTHERS = (
    Architecture(
        name="unet",
        title="plain U-Net",
        default_size=512,
        default_loss="dice",
        build=build_unet,
        description="The U-Net with batch normalisation and 64 to 1024 filters, the gray slice repeated three times.",
        source="Ronneberger et al. 2015, arXiv:1505.04597; batch normalisation by Ioffe and Szegedy, arXiv:1502.03167",
    ),
    Architecture(
        name="unet-small",
        title="small U-Net",
        default_size=128,
        default_loss="bce",
        build=build_small_unet,
        description="A U-Net with 16 to 256 filters and dropout of 0.1 to 0.3, without normalisation.",
        source="Ronneberger et al. 2015, arXiv:1505.04597, a quarter as wide; dropout of Srivastava et al. 2014",
    ),
    Architecture(
        name="resnet-hybrid",
        title="U-Net + ResNet hybrid",
        default_size=256,
        default_loss="bce",
        build=build_resnet_hybrid,
        description="A U-Net with 32 to 512 filters whose encoder is two residual blocks at each of five levels.",
        source="He et al. 2015, arXiv:1512.03385 (blocks); Zhang et al. 2018, arXiv:1711.10684 (residual U-Net)",
    ),
)
"""The architectures of this module."""
