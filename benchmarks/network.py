"""One slice, the network alone: what is served, and its peers."""

from __future__ import annotations

from benchmarks.contest import contest
from benchmarks.figures import Figures
from benchmarks.peers import NETWORKS


def measure(*, quick: bool) -> Figures:
    """Return milliseconds by peer."""
    return {"ms": contest(NETWORKS, rounds=2 if quick else 10, each=2 if quick else 4)}
