"""Sources -> studies: every file is looked at once, however the folders are laid out."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from pydicom.config import disable_value_validation
from tqdm import tqdm

from model.batch.headers import Header, read_header
from model.batch.index import Index
from model.batch.place import BadPlace, Entry, Place, reason

LOCAL_THREADS, STORE_THREADS = 4, 32
"""How many files are looked at side by side. A store takes its time for each, whatever else it is asked."""

KEPT_AT_ONCE = 1000


def find_studies(sources: Sequence[Place], out: Place, index: Index) -> None:
    """Look at every file of the sources but those in `out`, and keep in the index what is found.

    Raises
    ------
    BadPlace : a source cannot be reached.
    """
    with (
        tqdm(unit="file", desc="looking", disable=None, leave=False) as bar,
        # Untidy headers pass; this holds for all threads.
        disable_value_validation(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for source in sources:
            looked = _look(source, out, index)
            while found := list(islice(looked, KEPT_AT_ONCE)):
                index.add(source.address, found)
                bar.update(len(found))
    index.forget_others()


def _look(source: Place, out: Place, index: Index) -> Iterator[tuple[Entry, Header]]:
    entries = _entries(source, out)
    with ThreadPoolExecutor(LOCAL_THREADS if source.is_local else STORE_THREADS, "look") as threads:
        waiting: deque[tuple[Entry, Header | Future[Header]]] = deque()
        for entry in entries:
            waiting.append((entry, index.known(source.address, entry) or threads.submit(read_header, source, entry)))
            if len(waiting) > KEPT_AT_ONCE:
                yield _told(waiting.popleft())
        yield from map(_told, waiting)


def _told(found: tuple[Entry, Header | Future[Header]]) -> tuple[Entry, Header]:
    entry, header = found
    return entry, header.result() if isinstance(header, Future) else header


def _entries(source: Place, out: Place) -> Iterable[Entry]:
    try:
        yield from source.walk(out)
    except OSError as exc:
        raise BadPlace(f"{source.address} cannot be read: {reason(exc)}.") from exc
