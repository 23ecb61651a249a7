"""One peer in a process of its own, which does its work as often as it is told.

python -m benchmarks.contestant NAME [--threads N] [--cores N]

It says on standard output, a line of JSON each: {"ready": true} or {"absent": REASON}; then, for each line that it is
sent, the seconds that each time took. "count 5" is five times, "for 2.5" as often as begins within so many seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO

from benchmarks.peers import PEERS, Absent, Ask, check_name


def main(arguments: Sequence[str] | None = None) -> None:
    """Load a peer and answer until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("name", type=check_name)
    parser.add_argument("--threads", type=int, default=0, help="of the engine; 0 = one for each core")
    parser.add_argument("--cores", type=int, default=0, help="that the process may use; 0 = all")
    options = parser.parse_args(arguments)
    # Frameworks print what they like; what is said here stays apart from it.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as says:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            if options.cores:
                confine(options.cores)
            ask = PEERS[options.name](options.threads)
        except Absent as exc:
            _say(says, {"absent": str(exc)})
            return
        _say(says, {"ready": True})
        for line in sys.stdin:
            _say(says, _work(ask, line))


def confine(cores: int) -> None:
    """Let this process, and threads that it starts from now on, use so many of the cores that it may use.

    Raises
    ------
    Absent : the system cannot, or there are not so many.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise Absent("the system cannot confine a process to some of its cores")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < cores:
        raise Absent(f"there are {len(usable)} cores, not {cores}")
    os.sched_setaffinity(0, usable[:cores])


def _say(says: IO[str], what: object) -> None:
    says.write(json.dumps(what) + "\n")
    says.flush()


def _work(ask: Ask, line: str) -> list[float]:
    order, amount = line.split()
    if order == "count":
        return [timed(ask) for _ in range(int(amount))]
    seconds, until = [timed(ask)], time.perf_counter() + float(amount)
    while time.perf_counter() < until:
        seconds.append(timed(ask))
    return seconds


def timed(ask: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
