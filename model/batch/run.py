"""All studies of some sources -> a table of them: the work behind `python -m model batch`."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model.batch.addresses import out_of, places_of
from model.batch.cluster import read_on_cluster
from model.batch.endings import Ended, Endings
from model.batch.find import find_studies
from model.batch.index import Index
from model.batch.local_place import LocalPlace
from model.batch.place import MARK, BadPlace, BatchError, Place, reason, written
from model.batch.progress import open_errors, progress, say
from model.batch.rows import CHUNK, Row, rows_of, write_tables
from model.batch.scratch import Scratch
from model.batch.shard import Shard
from model.batch.side_by_side import Machine, read_side_by_side
from model.batch.studies import Study
from model.batch.work import Order, is_done, model_of
from model.cores import usable_cores
from model.decode.kinds import shown
from model.errors import GroundglassError, MissingFile
from model.reading import How


@dataclass(frozen=True)
class Options:
    """What is read, how, and by whom.

    shard : the part of the studies. again : whether those that failed are read once more. workers : processes, 0 for as
    many as there are cores. seconds : that one study may take. cluster : address of a Ray cluster.
    """

    how: How
    seconds: float
    weights: tuple[Path, ...] = ()
    masks: bool = False
    shard: Shard = Shard()
    again: bool = False
    workers: int = 0
    cluster: str | None = None


def run(sources: Sequence[str], *, out: str, options: Options) -> int:
    """Read all studies of some sources that are not done yet, and gather what was found of all.

    Each study has a row in OUT/results.parquet and OUT/results.csv. Complaints go to standard error.

    Returns
    -------
    Exit status: 0 all done, 1 some studies failed, 2 the run could not begin or go on, 128 + the number of the signal
    where the system ended it.
    """
    open_errors()
    try:
        with Endings() as endings, Scratch() as scratch:
            return _Run(sources, out, options, scratch.folder, endings).run()
    except Ended as exc:
        say(f"Ended by {exc}. What is done is kept: the same command goes on from here.")
        return 128 + exc.number
    except (BatchError, GroundglassError) as exc:
        say(str(exc))
    except OSError as exc:
        say(f"{exc.filename or out}: {reason(exc)}.")
    # A fault of the program, but not one of the studies, which a status of 1 would tell.
    except Exception:
        say(traceback.format_exc())
    return 2


class _Run:
    """One run: what its steps share."""

    def __init__(self, sources: Sequence[str], out: str, options: Options, scratch: Path, endings: Endings) -> None:
        self._options, self._scratch, self._endings = options, scratch, endings
        self._sources = places_of(sources)
        self._out = out_of(out, self._sources)
        self._order = Order(
            self._out.address,
            options.how,
            model_of(options.weights),
            tuple(str(file.absolute()) for file in options.weights),
            options.masks,
        )
        self._ending = f"-{options.shard}" if options.shard.count > 1 else ""
        self._done = 0

    def run(self) -> int:
        """Find, read and gather; return the exit status."""
        _refuse_others_files(self._out)
        with Index(self._index_file(), is_shared=bool(self._ending)) as index:
            find_studies(self._sources, index)
            self._begin()
            if index.is_empty():
                raise MissingFile(_nothing_in(self._sources, index.others()))
            to_read, self._done, failed = self._what_is_left(index)
            try:
                failed += self._read(index, to_read)
            finally:
                # Where the run is ended, too: what is done is told.
                self._gather(index)
            self._sum_up(failed, index.others())
        return 1 if failed else 0

    def _begin(self) -> None:
        with written(self._out.address):
            self._out.write(MARK, b"Results of python -m model batch: what lies here is no study of another batch.\n")
            self._out.tidy()

    def _gather(self, index: Index) -> None:
        with written(f"The tables in {self._out.address}"), self._endings.put_off():
            count = write_tables(self._out, self._versions(index), self._scratch, ending=self._ending)
        if count < self._done:
            # A file system that several machines share may remember for a while that a file was not there.
            say(f"{self._done - count:,} rows are not seen here yet: the same command, in a minute, gathers them.")

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

    def _read(self, index: Index, to_read: set[str]) -> int:
        """Read studies; return how many failed."""
        if not to_read:
            return 0
        failed = 0
        studies = (study for study in self._studies(index) if study.name in to_read)
        bar = progress(unit="study", total=self._done + len(to_read), done=self._done)
        with bar, closing(self._rows(studies, len(to_read))) as rows:
            for row in rows:
                bar.update()
                self._done += 1
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

    def _sum_up(self, failed: int, others: int) -> None:
        told = [f"{self._done:,} {'study' if self._done == 1 else 'studies'}, {failed:,} of them failed"]
        if others:
            told.append(f"{others:,} other {'file' if others == 1 else 'files'} left alone")
        say(f"{'; '.join(told)}: {self._out.address}/results{self._ending}.parquet and .csv")


def _refuse_others_files(out: Place) -> None:
    """Raise BadPlace where a folder holds what a run would write over, and no earlier run has written."""
    if not out.exists(MARK):
        for name in ("results.csv", "results.parquet", "rows", "studies"):
            if out.exists(name):
                raise BadPlace(f"{out.address} holds {name}, and not of a batch: name another folder for the results.")


def _nothing_in(sources: Sequence[Place], others: int) -> str:
    where = ", ".join(source.address for source in sources)
    return f"There is no study in {where}: no picture, DICOM series or NIfTI volume among {others:,} files."
