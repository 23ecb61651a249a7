"""Studies read by a Ray cluster. A process of its own talks to Ray, whose ends take with them what has asked it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path

from model.batch.addresses import place_of
from model.batch.children import how_ended, send, start
from model.batch.reader import Fatal
from model.batch.rows import Row, read_row
from model.batch.studies import Study
from model.batch.work import Order

LAST_LINES = 5
"""Of what the process wrote to standard error, where it ended without a word."""


def read_on_cluster(
    studies: Iterable[Study], order: Order, address: str, *, seconds: float, scratch: Path
) -> Generator[Row, None, None]:
    """Read studies on a cluster; yield their rows, which are in place then, as they are done.

    What a node was reading when it is lost is read again by another. Where the iteration is left before its end, the
    cluster is told to stop.

    Parameters
    ----------
    address : "auto" for the cluster that this machine belongs to, or HOST:PORT of its head.
    seconds : how long one study may take. scratch : a folder for what Ray says.

    Raises
    ------
    Fatal : nothing answers there, the cluster is lost, or weights or results cannot be read or written.
    """
    out, waiting = place_of(order.out), iter(studies)
    told = {"order": order.as_json(), "address": address, "seconds": seconds}
    log = scratch / "cluster.log"
    with log.open("wb") as errors:
        process = start("model.batch.cluster_process", told, errors=errors)
    try:
        for row in _rows(process, waiting, log):
            if read_row(out, row["study"]) is None:
                raise Fatal(
                    f"What the nodes of the cluster write to {order.out} does not arrive here: name a folder that all "
                    "of them share, or s3://bucket/folder."
                )
            yield row
    finally:
        process.kill()
        # It closes the pipes and waits.
        with contextlib.suppress(OSError, ValueError), process:
            pass


def _rows(process: subprocess.Popen[bytes], studies: Iterator[Study], log: Path) -> Iterator[Row]:
    """Give a process the studies that it asks for; yield its rows."""
    for line in process.stdout or ():
        message = json.loads(line)
        if "fatal" in message:
            raise Fatal(message["fatal"])
        if "row" in message:
            yield message["row"]
        else:
            some = [study.as_json() for study in islice(studies, message["more"])]
            with contextlib.suppress(OSError):
                send(process, {"studies": some})
    if process.wait() != 0:
        said = " ".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        raise Fatal(f"The cluster is lost: the process that asks it ended by {how_ended(process.returncode)}. {said}")
