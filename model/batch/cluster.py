"""Studies read by a Ray cluster: actors on all its nodes, each with a process that has loaded the networks once."""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
from collections.abc import Generator, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from model.batch.addresses import place_of
from model.batch.reader import ROOT, Fatal, Reader
from model.batch.rows import Row, read_row
from model.batch.side_by_side import read_by
from model.batch.studies import Study
from model.batch.work import Order, is_done
from model.errors import GroundglassError
from model.options import address as host_and_port

AT_ONCE = 2_000
"""Studies that the cluster is told of at once: the lists of files of a million would not fit into a head's memory."""

IN_FLIGHT = 2
"""Studies that an actor is told of at once: one that it reads, and the next."""

CONNECT_S = 10.0


class NoCluster(GroundglassError):
    """There is no cluster at the address, or Ray is not installed."""


def read_on_cluster(
    studies: Iterable[Study], order: Order, address: str, *, seconds: float
) -> Generator[Row, None, None]:
    """Read studies on a cluster; yield their rows, which are in place then, as they are done.

    What a node was reading when it is lost is read again by another.

    Parameters
    ----------
    address : "auto" for the cluster that this machine belongs to, or HOST:PORT of its head.
    seconds : how long one study may take.

    Raises
    ------
    NoCluster : nothing answers there. Fatal : weights or results cannot be read or written.
    """
    ray = _connected(address)
    out = place_of(order.out)
    try:
        waiting = iter(studies)
        while some := list(islice(waiting, AT_ONCE)):
            for row in _read(ray, some, order, seconds):
                if read_row(out, row["study"]) is None:
                    raise Fatal(
                        f"What the nodes of the cluster write to {order.out} does not arrive here: name a folder that "
                        "all of them share, or s3://bucket/folder."
                    )
                yield row
    finally:
        ray.shutdown()


def _connected(address: str) -> Any:
    """Return Ray, connected to a cluster."""
    # It would tell its makers of each use, and people of its inner life.
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_BACKEND_LOG_LEVEL", "fatal")):
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as exc:
        raise NoCluster(
            f"--cluster needs packages that are missing here ({exc.name}): pip install -c constraints.txt "
            "-r requirements-cluster.txt"
        ) from exc
    if address != "auto":
        _refuse_silent(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            # The program lies at the same place on all nodes.
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
        )
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise NoCluster(
            f"No Ray cluster answers at {address}: start one with ray start --head, or name HOST:PORT of its head."
        ) from exc
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _refuse_silent(address: str) -> None:
    """Raise NoCluster where nothing listens: Ray would wait for minutes."""
    try:
        socket.create_connection(host_and_port(address), CONNECT_S).close()
    except OSError as exc:
        raise NoCluster(f"Nothing answers at {address}: {exc}. Is this the address of the cluster's head?") from exc


def _read(ray: Any, studies: list[Study], order: Order, seconds: float) -> Generator[Row, None, None]:
    actors, cores = _shared_out(ray, len(studies))
    # A block each, so that what is lost with a node is what it was reading.
    told = [{"study": json.dumps(study.as_json())} for study in studies]
    rows = ray.data.from_items(told, override_num_blocks=len(told)).map_batches(
        Actor,
        fn_constructor_kwargs={"order": order.as_json(), "cores": cores, "seconds": seconds},
        batch_size=1,
        num_cpus=cores,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, max_tasks_in_flight_per_actor=IN_FLIGHT),
    )
    for found in rows.iter_rows():
        row: Row = json.loads(found["row"])
        if "fatal" in row:
            raise Fatal(row["fatal"])
        yield row


def _shared_out(ray: Any, count: int) -> tuple[int, int]:
    """Return how many actors there may be, and how many cores each has: one, or more where the studies are few."""
    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    cores = max(1, min(max(nodes, default=1), sum(nodes) // max(1, count)))
    return max(1, min(count, sum(each // cores for each in nodes))), cores


class Actor:
    """What reads on a node of the cluster. The process that it reads by bears what a study may do to it."""

    def __init__(self, order: dict[str, Any], cores: int, seconds: float) -> None:
        self._order = Order.of_json(order)
        self._scratch = tempfile.TemporaryDirectory(prefix="groundglass-actor-")
        self._reader = Reader(self._order, cores=cores, seconds=seconds, scratch=Path(self._scratch.name))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Return the rows of studies; both are JSON."""
        return {"row": [json.dumps(self._row(Study.of_json(json.loads(told)))) for told in batch["study"]]}

    def _row(self, study: Study) -> Row:
        try:
            row = read_row(place_of(self._order.out), study.name)
            # An earlier attempt may have ended between its row and its answer.
            if row is not None and is_done(self._order, study, row) and not row.get("error"):
                return row
            return read_by(self._reader, study, self._order)
        except (GroundglassError, OSError) as exc:
            # Raised, it would be tried again without end.
            return {"fatal": str(exc)}
