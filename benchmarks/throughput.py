"""The real server under so many clients, against what the cores can give without a server."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.clients import ask_all, summary
from benchmarks.contest import together
from benchmarks.figures import Figures
from benchmarks.load import UNLIMITED
from benchmarks.peers import OUR_REQUEST
from benchmarks.serving import running
from model.cores import usable_cores
from model.phantom import EXAMPLES, phantom_png

CLIENTS = {1: 12.0, 4: 12.0, 16: 24.0, 64: 16.0}
"""How many, and for how many seconds."""

LOOP_S = 6.0
WARM_UP_S = 4.0


def measure(*, quick: bool) -> Figures:
    """Return the figures of each number of clients, and slices in a second without a server.

    Without a server as many processes as there are cores, each with an engine of one thread, do the same work in a
    closed loop: decode a PNG, ask the network, recognise chest CT, draw and encode the overlay. The server is stopped
    meanwhile, so that nothing of it is in the way.
    """
    cores = usable_cores()
    loop_s, share = (2.0, 0.2) if quick else (LOOP_S, 1.0)
    loops = [together(OUR_REQUEST, processes=cores, seconds=loop_s)]
    found = []
    # A part of the numbers after each loop, so that what the machine does to one it does to the other.
    for some in ((1, 4, 16), (64,)):
        found += _serve(some, share)
        loops.append(together(OUR_REQUEST, processes=cores, seconds=loop_s))
    return {
        "cores": cores,
        "closed_loop_per_second": statistics.median(loops),
        "closed_loops_per_second": loops,
        "clients": found,
    }


def _serve(numbers: tuple[int, ...], share: float) -> list[Figures]:
    """Return the figures of so many clients, one number after the other, at one server."""
    pictures, found = [phantom_png(kind) for kind in EXAMPLES], []
    with tempfile.TemporaryDirectory(prefix="groundglass-bench-") as folder:
        with running(Path(folder), **UNLIMITED) as (_, port):
            # Every process has read some before anything is measured.
            ask_all(port, pictures, clients=8, seconds=WARM_UP_S)
            for clients in numbers:
                seconds = CLIENTS[clients] * share
                until = time.monotonic() + seconds
                answers = ask_all(port, pictures, clients=clients, seconds=seconds)
                found.append(summary(answers, clients=clients, seconds=seconds, until=until))
    return found
