"""Features -> how likely a slice is of each kind: a linear map, fitted by `training.recognise`."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.errors import WeightsError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """One row of weights for each kind.

    kinds : their names. weights : (K, F) float32. bias : (K,) float32.
    encoder_sha256 : of the weights of the network whose encoder gave the features.
    """

    kinds: tuple[str, ...]
    weights: FloatArray
    bias: FloatArray
    encoder_sha256: str

    def probabilities(self, features: FloatArray) -> dict[str, float]:
        """Return by kind how likely it is, adding up to 1.

        features : (F,) float32, see `model.recognise.features`.

        Raises
        ------
        ValueError : the features are not as many as the weights.
        """
        if features.shape != self.weights.shape[1:]:
            raise ValueError(f"features must be {self.weights.shape[1:]}, got {features.shape}")
        scores = self.weights @ features + self.bias
        shares = np.exp(scores - scores.max())
        return {kind: float(share) for kind, share in zip(self.kinds, shares / shares.sum(), strict=True)}

    def save(self, path: Path) -> None:
        """Write the head; weights in 16 bit, since a slice is not nearer to another kind by less."""
        np.savez_compressed(
            path,
            kinds=np.array(self.kinds),
            weights=self.weights.astype(np.float16),
            bias=self.bias,
            encoder_sha256=np.array(self.encoder_sha256),
        )


def load_head(path: Path) -> Head:
    """Read a head.

    Raises
    ------
    WeightsError : the file is missing or damaged.
    """
    try:
        # Opened here: of a damaged file NumPy would leave it open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            return Head(
                kinds=tuple(str(kind) for kind in content["kinds"]),
                weights=np.asarray(content["weights"], np.float32),
                bias=np.asarray(content["bias"], np.float32),
                encoder_sha256=str(content["encoder_sha256"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
        raise WeightsError(f"{path} is missing or damaged. Restore it with: git checkout -- model/weights") from exc
