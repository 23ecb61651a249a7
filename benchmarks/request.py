"""A whole request, from the bytes of a PNG to those of the overlay: ours, and in the way of public projects."""

from __future__ import annotations

from benchmarks.contest import contest
from benchmarks.figures import Figures
from benchmarks.peers import GUARDED_DECODING, OUR_REQUEST, PLAIN_DECODING, PUBLIC_REQUEST


def measure(*, quick: bool) -> Figures:
    """Return milliseconds by peer; what decoding in a process apart takes is told apart."""
    names = (PUBLIC_REQUEST, OUR_REQUEST, PLAIN_DECODING, GUARDED_DECODING)
    return {"ms": contest(names, rounds=2 if quick else 12, each=3)}
