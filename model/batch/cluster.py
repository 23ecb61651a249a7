"""Studies read by a Ray cluster. A process of its own talks to Ray, whose ends take with them what has asked it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path

from model.batch.addresses import place_of
from model.batch.children import end, how_ended, send, start
from model.batch.place import Place
from model.batch.progress import say
from model.batch.reader import Fatal
from model.batch.rows import Row, read_row
from model.batch.studies import Study
from model.batch.work import Order

ARRIVES_S = 120.0

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
    out, has_arrived = place_of(order.out), False
    told = {"order": order.as_json(), "address": address, "seconds": seconds}
    log = scratch / "cluster.log"
    with log.open("wb") as errors:
        process = start("model.batch.cluster_process", told, errors=errors)
    try:
        for row in _rows(process, iter(studies), log):
            if not has_arrived:
                _wait_for(row["study"], out)
                has_arrived = True
            yield row
    finally:
        end(process)


def _wait_for(name: str, out: Place) -> None:
    """Wait for a row that a node has written; raises Fatal where it does not come.

    A file system that several machines share may remember for a while that a file was not there.
    """
    until = time.monotonic() + ARRIVES_S
    while read_row(out, name) is None:
        if time.monotonic() > until:
            raise Fatal(
                f"What the nodes of the cluster write to {out.address} does not arrive here: name a folder that all of "
                "them share, or s3://bucket/folder."
            )
        time.sleep(1.0)


def _rows(process: subprocess.Popen[bytes], studies: Iterator[Study], log: Path) -> Iterator[Row]:
    """Give a process the studies that it asks for; yield its rows."""
    for line in process.stdout or ():
        if not line.endswith(b"\n"):
            break
        message = json.loads(line)
        if "fatal" in message:
            raise Fatal(message["fatal"])
        if "note" in message:
            say(message["note"])
        elif "row" in message:
            yield message["row"]
        else:
            some = [study.as_json() for study in islice(studies, message["more"])]
            with contextlib.suppress(OSError):
                send(process, {"studies": some})
    if process.wait() != 0:
        said = " ".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        raise Fatal(f"The cluster is lost: the process that asks it ended by {how_ended(process.returncode)}. {said}")
