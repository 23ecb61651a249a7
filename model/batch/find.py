"""Sources -> studies: every file is looked at once, however the folders are laid out."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice

from pydicom.config import disable_value_validation

from model.batch.headers import Header, read_header
from model.batch.index import Index
from model.batch.place import BadPlace, Entry, Place, reason
from model.batch.progress import progress

LOCAL_THREADS, STORE_THREADS = 4, 32
"""How many files are looked at side by side. A store takes its time for each, whatever else it is asked."""

AHEAD = 200
KEPT_AT_ONCE = 1000


def find_studies(sources: Sequence[Place], index: Index) -> None:
    """Look at every file of the sources, and keep in the index what is found.

    Raises
    ------
    BadPlace : a source cannot be reached.
    """
    with (
        progress(unit="file", desc="looking", leave=False) as bar,
        # Untidy headers pass; this holds for all threads.
        disable_value_validation(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for source in sources:
            with closing(_look(source, index)) as looked:
                while found := list(islice(looked, KEPT_AT_ONCE)):
                    index.add(source.address, found)
                    bar.update(len(found))
    index.forget_others()


def _look(source: Place, index: Index) -> Generator[tuple[Entry, Header], None, None]:
    threads = ThreadPoolExecutor(LOCAL_THREADS if source.is_local else STORE_THREADS, "look")
    try:
        waiting: deque[tuple[Entry, Header | Future[Header]]] = deque()
        for entry in _entries(source):
            waiting.append((entry, index.known(source.address, entry) or threads.submit(read_header, source, entry)))
            if len(waiting) > AHEAD:
                yield _told(waiting.popleft())
        yield from map(_told, waiting)
    finally:
        # Where the run is ended, it does not wait for what nobody has looked at yet.
        threads.shutdown(wait=False, cancel_futures=True)


def _told(found: tuple[Entry, Header | Future[Header]]) -> tuple[Entry, Header]:
    entry, header = found
    return entry, header.result() if isinstance(header, Future) else header


def _entries(source: Place) -> Iterable[Entry]:
    try:
        yield from source.walk()
    except OSError as exc:
        raise BadPlace(f"{source.address} cannot be read: {reason(exc)}.") from exc
