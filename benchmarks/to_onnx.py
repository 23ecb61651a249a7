"""The Keras form of the network -> ONNX, for ONNX Runtime: python -m benchmarks.to_onnx FILE. A process of its own.

Otherwise TensorFlow, which the conversion loads, would be in the process that is measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.weights import KERAS_WEIGHTS
from model.network import load_network


def convert(file: Path) -> None:
    """Write the network; the batch is one slice.

    Raises
    ------
    ImportError : tf2onnx is not installed.
    """
    import tensorflow

    network = load_network(KERAS_WEIGHTS)
    signature = [tensorflow.TensorSpec((1, *network.input_shape[1:]), tensorflow.float32, name="slice")]
    network.export(file, format="onnx", verbose=False, input_signature=signature)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
