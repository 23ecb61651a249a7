"""Several peers, each in its process, asked by turns: where the machine becomes slower, it does so for all of them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from benchmarks.figures import Figures, spread
from benchmarks.serving import ROOT

PAUSE_S = 0.15
"""Between two peers: threads of the one before still spin for some milliseconds, in case there is more to do."""


class Contestant:
    """A peer of `benchmarks.peers` in its process; `absent` says why there is none."""

    def __init__(self, name: str, *, threads: int = 0, cores: int = 0) -> None:
        command = [
            sys.executable,
            "-m",
            "benchmarks.contestant",
            name,
            "--threads",
            str(threads),
            "--cores",
            str(cores),
        ]
        self.name = name
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        # Here, so that several load at the same time.
        self.absent: str | None = self._hear().get("absent")
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin and self._process.stdout
        # It may have ended by itself.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=60)

    def ask(self, count: int) -> list[float]:
        """Return the seconds of each of so many times."""
        self.begin(f"count {count}")
        return self.end()

    def begin(self, order: str) -> None:
        """Let it work, and go on; see `benchmarks.contestant` for orders."""
        assert self._process.stdin
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def end(self) -> list[float]:
        """Wait for what was begun and return the seconds of each time."""
        seconds: list[float] = self._hear()
        return seconds

    def _hear(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended. See why: python -m benchmarks.contestant {self.name!r}")
        return json.loads(line)


@contextlib.contextmanager
def contestants(names: Sequence[str], *, threads: int = 0, cores: int = 0) -> Iterator[list[Contestant]]:
    """Load peers one after the other, so that they do not load at the cost of each other; end them at last."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Contestant(name, threads=threads, cores=cores)) for name in names]


def contest(names: Sequence[str], *, rounds: int, each: int, threads: int = 0, cores: int = 0) -> dict[str, Figures]:
    """Ask peers by turns.

    Parameters
    ----------
    names : of `benchmarks.peers.PEERS`.
    rounds, each : so many turns, and in each so many times that count; one before them does not, since the peer before
        has left nothing in the caches.
    threads, cores : of each; 0 = all that there are.

    Returns
    -------
    By name milliseconds as `benchmarks.figures.spread` gives them, or {"absent": why}.
    """
    with contestants(names, threads=threads, cores=cores) as peers:
        present = [peer for peer in peers if peer.absent is None]
        for peer in present:
            peer.ask(2)
        seconds: dict[str, list[float]] = {peer.name: [] for peer in present}
        for number in range(rounds):
            # There and back, so that nobody is always behind the same one.
            for peer in present if number % 2 == 0 else reversed(present):
                time.sleep(PAUSE_S)
                seconds[peer.name] += peer.ask(1 + each)[1:]
        return {
            peer.name: spread(seconds[peer.name], times=1000.0) if peer.absent is None else {"absent": peer.absent}
            for peer in peers
        }


def together(name: str, *, processes: int, seconds: float) -> float:
    """Return how often in a second so many processes of one peer, each of one thread, do its work at the same time."""
    with contestants([name] * processes, threads=1) as peers:
        for peer in peers:
            peer.ask(2)
        for peer in peers:
            peer.begin(f"for {seconds}")
        answers = [peer.end() for peer in peers]
    return sum(len(answer) / sum(answer) for answer in answers)
