"""All studies of some sources -> a table of them: the work behind `python -m model batch`."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

from model.batch.addresses import out_of, places_of
from model.batch.cluster import read_on_cluster
from model.batch.find import find_studies
from model.batch.index import Index
from model.batch.local_place import LocalPlace
from model.batch.place import MARK, BatchError, Place, reason
from model.batch.progress import progress, say
from model.batch.rows import CHUNK, Row, rows_of, write_tables
from model.batch.scratch import Scratch
from model.batch.shard import Shard
from model.batch.side_by_side import Machine, read_side_by_side
from model.batch.studies import Study
from model.batch.work import Order, hash_of, is_done
from model.cores import usable_cores
from model.decode.kinds import shown
from model.errors import GroundglassError, MissingFile, StorageError
from model.reading import How


@dataclass(frozen=True)
class Options:
    """What is read, how, and by whom.

    shard : the part of the studies. again : whether those that failed are read once more. workers : processes, 0 for as
    many as there are cores. seconds : that one study may take. cluster : address of a Ray cluster.
    """

    how: How
    weights: tuple[Path, ...] = ()
    masks: bool = False
    shard: Shard = Shard()
    again: bool = False
    workers: int = 0
    seconds: float = 3600.0
    cluster: str | None = None


class Ended(BaseException):
    """The system asks the run to end, whatever it does. number : of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run(sources: Sequence[str], *, out: str, options: Options) -> int:
    """Read all studies of some sources that are not done yet, and gather what was found of all.

    Each study has a row in OUT/results.parquet and OUT/results.csv. Complaints go to standard error.

    Returns
    -------
    Exit status: 0 all done, 1 some studies failed, 2 the run could not begin or go on, 128 + the number of the signal
    where the system ended it.
    """
    try:
        with _ending_in_order(), Scratch() as scratch:
            return _Run(sources, out, options, scratch.folder).run()
    except Ended as exc:
        say(f"Ended by {exc}. What is done is kept: the same command goes on from here.")
        return 128 + exc.number
    except (BatchError, GroundglassError) as exc:
        say(str(exc))
    except OSError as exc:
        say(f"{exc.filename or out}: {reason(exc)}.")
    return 2


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Raise Ended where the system asks to end, in place of what Python does."""

    def end(number: int, frame: FrameType | None) -> None:
        # Things are put in order now; whoever cannot wait for that asks once more.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise Ended(number)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # What is ignored stays so, as under nohup.
    before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """One run: what its steps share."""

    def __init__(self, sources: Sequence[str], out: str, options: Options, scratch: Path) -> None:
        self._options, self._scratch = options, scratch
        self._sources = places_of(sources)
        self._out = out_of(out, self._sources)
        self._order = Order(
            self._out.address,
            options.how,
            hash_of(options.weights),
            tuple(str(file.absolute()) for file in options.weights),
            options.masks,
        )
        self._ending = f"-{options.shard}" if options.shard.count > 1 else ""

    def run(self) -> int:
        """Find, read and gather; return the exit status."""
        with Index(self._index_file()) as index:
            self._begin()
            find_studies(self._sources, self._out, index)
            if next(index.studies(), None) is None:
                raise MissingFile(_nothing_in(self._sources, index.others()))
            to_read, done, failed = self._what_is_left(index)
            try:
                failed += self._read(index, to_read, done)
            finally:
                # Where the run is ended, too: what is done is told.
                self._gather(index)
            self._sum_up(done + len(to_read), failed, index.others())
        return 1 if failed else 0

    def _begin(self) -> None:
        try:
            self._out.write(MARK, b"Results of python -m model batch: what lies here is no study of another batch.\n")
            self._out.tidy()
        except OSError as exc:
            raise StorageError(f"{self._out.address} cannot be written: {reason(exc)}.") from exc

    def _gather(self, index: Index) -> None:
        try:
            write_tables(self._out, self._versions(index), self._scratch, ending=self._ending)
        except OSError as exc:
            raise StorageError(f"The tables in {self._out.address} cannot be written: {reason(exc)}.") from exc

    def _index_file(self) -> Path:
        folder = self._out.folder if isinstance(self._out, LocalPlace) else self._scratch
        return folder / f"index{self._ending}.sqlite"

    def _studies(self, index: Index) -> Iterator[Study]:
        return (study for study in index.studies() if self._options.shard.has(study.name))

    def _versions(self, index: Index) -> Iterator[tuple[str, str]]:
        return ((study.name, study.version(self._order.settings)) for study in self._studies(index))

    def _what_is_left(self, index: Index) -> tuple[set[str], int, int]:
        """Return the names of the studies to be read, how many others there are, and how many of those failed."""
        to_read, done, failed = set[str](), 0, 0
        studies = self._studies(index)
        while chunk := list(islice(studies, CHUNK)):
            for study, row in zip(chunk, rows_of(self._out, [study.name for study in chunk]), strict=True):
                has_failed = row is not None and bool(row.get("error"))
                if not is_done(self._order, study, row) or (has_failed and self._options.again):
                    to_read.add(study.name)
                else:
                    done, failed = done + 1, failed + has_failed
        return to_read, done, failed

    def _read(self, index: Index, to_read: set[str], done: int) -> int:
        """Read studies; return how many failed."""
        if not to_read:
            return 0
        failed = 0
        studies = (study for study in self._studies(index) if study.name in to_read)
        bar = progress(unit="study", total=done + len(to_read), done=done)
        with bar, closing(self._rows(studies, len(to_read))) as rows:
            for row in rows:
                bar.update()
                if row.get("error"):
                    failed += 1
                    say(f"{shown(row['source'], 200)}: {shown(row['path'], 200)}: {row['error']}")
        return failed

    def _rows(self, studies: Iterator[Study], count: int) -> Generator[Row, None, None]:
        options = self._options
        if options.cluster:
            return read_on_cluster(
                studies, self._order, options.cluster, seconds=options.seconds, scratch=self._scratch
            )
        processes = min(options.workers or usable_cores(), count)
        return read_side_by_side(studies, self._order, Machine(processes, options.seconds), self._scratch)

    def _sum_up(self, count: int, failed: int, others: int) -> None:
        told = [f"{count:,} {'study' if count == 1 else 'studies'}, {failed:,} of them failed"]
        if others:
            told.append(f"{others:,} other {'file' if others == 1 else 'files'} left alone")
        say(f"{'; '.join(told)}: {self._out.address}/results{self._ending}.parquet and .csv")


def _nothing_in(sources: Sequence[Place], others: int) -> str:
    where = ", ".join(source.address for source in sources)
    return f"There is no study in {where}: no picture, DICOM series or NIfTI volume among {others:,} files."
