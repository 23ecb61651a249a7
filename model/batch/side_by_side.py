"""Studies read on this machine, by several processes side by side."""

from __future__ import annotations

import queue
import time
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model.batch.addresses import place_of
from model.batch.place import written
from model.batch.reader import Died, Fatal, Reader
from model.batch.rows import Row, failed_row
from model.batch.studies import Study
from model.batch.work import Order, keep
from model.cores import usable_cores

ATTEMPTS = 2
"""How often a study is begun whose process dies: the first time something else may have been the reason."""


@dataclass(frozen=True)
class Machine:
    """How this machine is shared out: the processes, and how many seconds one study may take in each."""

    processes: int
    seconds: float

    @property
    def cores(self) -> int:
        """How many cores each process may use."""
        return max(1, usable_cores() // self.processes)


def read_side_by_side(
    studies: Iterable[Study], order: Order, machine: Machine, scratch: Path
) -> Generator[Row, None, None]:
    """Read studies; yield their rows, which are in place then, as they are done.

    Where the iteration is left before its end, the processes are ended at once.

    Raises
    ------
    Fatal : weights or results cannot be read or written. NotWritable : the same, found out here.
    """
    readers = [
        Reader(order, cores=machine.cores, seconds=machine.seconds, scratch=scratch) for _ in range(machine.processes)
    ]
    free: queue.SimpleQueue[Reader] = queue.SimpleQueue()
    for reader in readers:
        free.put(reader)
    threads = ThreadPoolExecutor(machine.processes, "reader")
    waiting, to_read = set[Future[Row]](), iter(studies)
    try:
        while True:
            # As many as are read, and as many again, so that none waits for its next one.
            more = islice(to_read, 2 * machine.processes - len(waiting))
            waiting |= {threads.submit(_read_by_any, free, study, order) for study in more}
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for reader in readers:
            reader.end()


def _read_by_any(free: queue.SimpleQueue[Reader], study: Study, order: Order) -> Row:
    reader = free.get()
    try:
        return read_by(reader, study, order)
    finally:
        free.put(reader)


def read_by(reader: Reader, study: Study, order: Order) -> Row:
    """Return the row of a study; of one that brings its process down, too. Raises Fatal, NotWritable."""
    begun = time.monotonic()
    for _ in range(ATTEMPTS):
        try:
            return reader.read(study)
        except Died as exc:
            last = exc
            if reader.has_ended:
                # It did not die of this study.
                raise Fatal("The run has ended.") from None
    row = failed_row(study, "Died", str(last), seconds=time.monotonic() - begun)
    with written(order.out):
        return keep(place_of(order.out), order, study, row)
