"""From nothing to the first slice, in a process that tells when it is how far: python -m benchmarks.starting NAME."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

IMPORTED, READY, ANSWERED = "imported", "ready", "answered"
"""The framework is imported; the weights are ready; the first slice is answered."""


def a_slice() -> Any:
    """Return (1, 448, 448, 1) float32, black: what an answer costs does not depend on the picture."""
    import numpy as np

    return np.zeros((1, 448, 448, 1), np.float32)


def served(tell: Callable[[str], None]) -> None:
    """Load what is served and ask it once."""
    import openvino  # noqa: F401  # The engine would import it later.

    from benchmarks.weights import SERVED_WEIGHTS
    from model.engine import load_engine

    tell(IMPORTED)
    engine = load_engine(SERVED_WEIGHTS)
    tell(READY)
    engine.predict(a_slice())
    tell(ANSWERED)


def keras(tell: Callable[[str], None]) -> None:
    """Import TensorFlow, load the .h5, ask it once."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow  # noqa: F401  # What is timed.

    tell(IMPORTED)
    from benchmarks.weights import KERAS_WEIGHTS
    from model.network import load_network

    network = load_network(KERAS_WEIGHTS)
    tell(READY)
    network.predict(a_slice(), verbose=0)
    tell(ANSWERED)


STARTS: Mapping[str, Callable[[Callable[[str], None]], None]] = MappingProxyType({"served": served, "keras": keras})


def main(name: str) -> None:
    """Start, and tell on standard output; whatever frameworks print goes to standard error."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as says:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def tell(what: str) -> None:
            says.write(what + "\n")
            says.flush()

        STARTS[name](tell)


if __name__ == "__main__":
    main(sys.argv[1])
