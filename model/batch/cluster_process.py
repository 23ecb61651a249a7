"""Has studies read by a Ray cluster, for `model.batch.cluster`: python -m model.batch.cluster_process TOLD.

Actors on all nodes each have a process that has loaded the networks once. TOLD is JSON, and so is each line that is
answered: {"more": count} asks for studies, which come as {"studies": [...]}, none of them at the end; {"row": ...} is
what one came to; {"note": sentence} is to be told, {"fatal": sentence} says why it cannot go on.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from model.batch.children import ROOT, Message, begin, say

AT_ONCE = 2_000
"""Studies that the cluster is told of at once: the lists of files of a million would not fit into a head's memory."""

IN_FLIGHT = 2
"""Studies that an actor is told of at once: one that it reads, and the next."""

CONNECT_S = 10.0

FREE_S, SEVERAL_FREE_S = 30.0, 10.0
"""How long it is waited for a core before others are said to compute on all, and for several of one node: a process
starts first, which takes some seconds, and those of a run that has just ended are free in a moment."""


class Room(NamedTuple):
    """How a cluster is shared out: how many actors there may be, and how many cores each of them has."""

    actors: int
    cores: int


def main() -> None:
    """Have read what there is."""
    answers = begin()
    told = json.loads(sys.argv[1])
    try:
        for row in _read_all(_connected(told["address"]), told, answers):
            say(answers, {"row": row})
    except OSError as exc:
        say(answers, {"fatal": str(exc)})


def _connected(address: str) -> Any:
    """Return Ray, connected to a cluster; raises OSError with a sentence."""
    # It would tell its makers of each use.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as exc:
        raise OSError(
            f"--cluster needs packages that are missing here ({exc.name}): pip install -c constraints.txt "
            "-r requirements-cluster.txt"
        ) from exc
    if address != "auto":
        _refuse_silent(address)
    try:
        # The program lies at the same place on all nodes.
        environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", runtime_env=environment)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise OSError(
            f"No Ray cluster answers at {address}: start one with ray start --head, or name HOST:PORT of its head."
        ) from exc
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _refuse_silent(address: str) -> None:
    """Raise OSError where nothing listens: Ray would wait for minutes."""
    from model.options import address as host_and_port

    try:
        socket.create_connection(host_and_port(address), CONNECT_S).close()
    except OSError as exc:
        raise OSError(f"Nothing answers at {address}: {exc}. Is this the address of the cluster's head?") from exc


def _read_all(ray: Any, told: Message, answers: BinaryIO) -> Iterator[Message]:
    """Yield the rows of all studies as they are done."""
    while True:
        say(answers, {"more": AT_ONCE})
        studies = json.loads(sys.stdin.buffer.readline())["studies"]
        if not studies:
            return
        yield from _read(ray, studies, told, room_for(ray, len(studies), answers))


def _read(ray: Any, studies: list[Message], told: Message, room: Room) -> Iterator[Message]:
    # By its own name: this module goes by another in the process that it was started as.
    from model.batch.actor import Actor

    # A block each, so that what is lost with a node is what it was reading. JSON is one type, whatever is in it.
    items = [{"study": json.dumps(study)} for study in studies]
    rows = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        Actor,
        fn_constructor_kwargs={"order": told["order"], "cores": room.cores, "seconds": told["seconds"]},
        batch_size=1,
        num_cpus=room.cores,
        # All of them are begun at once, and the first that is ready does not wait for the others.
        compute=ray.data.ActorPoolStrategy(
            min_size=1, initial_size=room.actors, max_size=room.actors, max_tasks_in_flight_per_actor=IN_FLIGHT
        ),
    )
    for found in rows.iter_rows():
        row = json.loads(found["row"])
        if "fatal" in row:
            raise OSError(row["fatal"])
        yield row


def room_for(ray: Any, count: int, answers: BinaryIO) -> Room:
    """Return how so many studies are shared out; where others compute on all cores, that is told.

    Raises
    ------
    OSError : the cluster has no core.
    """
    nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if not any(nodes):
        raise OSError("The cluster has no core to read with: start a node with ray start --num-cpus.")
    room = shared_out(nodes, count)
    if room.cores > 1 and _are_free(ray, room.cores, within_s=SEVERAL_FREE_S):
        return room
    if not _are_free(ray, 1, within_s=FREE_S):
        say(answers, {"note": "Others compute on all cores of the cluster: waiting until one is free."})
    return Room(min(count, sum(nodes)), 1)


def _are_free(ray: Any, cores: int, *, within_s: float) -> bool:
    """Whether a node has so many cores free. Ray tells only what all nodes have together, so a task finds out."""
    nothing = ray.remote(num_cpus=cores)(_do_nothing).remote()
    ready, waiting = ray.wait([nothing], timeout=within_s)
    for each in waiting:
        ray.cancel(each)
    return bool(ready)


def _do_nothing() -> None: ...


def shared_out(nodes: list[int], count: int) -> Room:
    """Return how studies are shared out: a core for each, or more where they are few.

    nodes : their cores, of which there are some. count : of the studies.

    >>> shared_out([4, 4], 100), shared_out([4, 1], 1)
    (Room(actors=8, cores=1), Room(actors=1, cores=4))
    """
    cores = max(1, min(max(nodes), sum(nodes) // count))
    return Room(min(count, sum(each // cores for each in nodes)), cores)


if __name__ == "__main__":
    main()
