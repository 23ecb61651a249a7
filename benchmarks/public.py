"""A slice read in the way of public projects: Keras `predict`, then a figure of pyplot. The peer of a whole request."""

from __future__ import annotations

import io
from typing import Any

import matplotlib

# Without a screen; projects set the same, or have it by default on a server.
matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.preprocess import INPUT_SIZE


class PublicStyle:
    """A network of Keras, and what is drawn of its answer."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def answer(self, png: bytes) -> bytes:
        """Return a figure as PNG: the slice, what was found over it in colours, and their bar.

        png : of a slice, 8-bit gray.
        """
        image = Image.open(io.BytesIO(png)).convert("L").resize((INPUT_SIZE, INPUT_SIZE))
        pixels = np.asarray(image, np.float32) / 255.0
        probability = self._network.predict(pixels[np.newaxis, ..., np.newaxis], verbose=0)[0, ..., 0]
        return draw(pixels, probability)


def draw(pixels: NDArray[np.float32], probability: NDArray[np.float32]) -> bytes:
    """Return a figure of pyplot's usual size as PNG.

    pixels, probability : (H, W) float32 in 0.0 ... 1.0.
    """
    plt.figure()
    plt.imshow(pixels, cmap="gray")
    found = plt.imshow(np.ma.masked_less(probability, 0.5), cmap="viridis", alpha=0.5, vmin=0.0, vmax=1.0)
    plt.colorbar(found)
    plt.title("Lesions")
    plt.axis("off")
    with io.BytesIO() as file:
        plt.savefig(file, format="png", bbox_inches="tight")
        plt.close()
        return file.getvalue()
