"""Several networks as one: the mean of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.card import join_identities
from model.engine import Engine, FloatArray, load_engine
from model.errors import WeightsError


class EnsembleEngine:
    """Several networks as one: the mean of their probabilities.

    What it is called: `model.card.join_identities`.

    Raises
    ------
    WeightsError : their channels or sizes differ.
    """

    def __init__(self, members: Sequence[Engine]) -> None:
        kinds = {(member.channels, member.input_size) for member in members}
        if len(kinds) != 1:
            found = "; ".join(
                f"{member.identity.model_id}: {', '.join(member.channels)} at {member.input_size}" for member in members
            )
            raise WeightsError(f"The networks of an ensemble must have the same channels and size; they have {found}.")
        self._members = tuple(members)
        self.channels, self.input_size = kinds.pop()
        self.identity = join_identities([member.identity for member in members])

    def predict(self, batch: FloatArray) -> FloatArray:
        """Return probabilities; see `Engine.predict`."""
        mean: FloatArray = np.mean([member.predict(batch) for member in self._members], axis=0, dtype=np.float32)
        return mean


def load_ensemble(weights: Sequence[Path], *, threads: int = 0, streams: int = 1) -> Engine:
    """Load one network, or several as one; parameters and errors as in `load_engine`.

    Raises
    ------
    ValueError : there are no weights.
    """
    return join([load_engine(file, threads=threads, streams=streams) for file in weights])


def join(members: Sequence[Engine]) -> Engine:
    """Return several networks as one, and one as it is.

    Raises
    ------
    ValueError : there is none.
    WeightsError : their channels or sizes differ.
    """
    if not members:
        raise ValueError("members is empty: name at least one file of weights")
    return members[0] if len(members) == 1 else EnsembleEngine(members)
