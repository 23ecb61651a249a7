"""What reads on a node of a Ray cluster."""

from __future__ import annotations

import json
import platform
from functools import cache
from typing import Any

from model.batch.addresses import place_of
from model.batch.local_place import LocalPlace
from model.batch.place import BatchError
from model.batch.reader import Reader
from model.batch.rows import Row, read_row
from model.batch.scratch import Scratch
from model.batch.side_by_side import read_by
from model.batch.studies import Study
from model.batch.work import Order, is_done


class Actor:
    """Reads a study at a time. The process that it reads by bears what the study may do to it."""

    def __init__(self, order: dict[str, Any], cores: int, seconds: float) -> None:
        self._order = Order.of_json(order)
        self._scratch = Scratch()
        # Finding out what an address is takes a store a moment, each time.
        self._place = cache(place_of)
        self._reader = Reader(self._order, cores=cores, seconds=seconds, scratch=self._scratch.folder)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Return the rows of studies; both are JSON. Of what ends the run {"fatal": sentence} is returned."""
        return {"row": [json.dumps(self._row(Study.of_json(json.loads(told)))) for told in batch["study"]]}

    def _row(self, study: Study) -> Row:
        try:
            self._refuse_absent(study)
            row = read_row(self._place(self._order.out), study.name)
            # An earlier attempt may have ended between its row and its answer.
            if row is not None and is_done(self._order, study, row) and not row.get("error"):
                return row
            return read_by(self._reader, study, self._order)
        except (BatchError, OSError) as exc:
            # Raised, it would be tried again without end.
            return {"fatal": f"{platform.node()}: {exc}"}

    def _refuse_absent(self, study: Study) -> None:
        """Raise OSError where this node has not the folder that the others read: it would fail all that it is given."""
        source = self._place(study.source)
        if isinstance(source, LocalPlace) and not source.is_there:
            raise OSError(f"{study.source} is not there, or empty: all nodes must find the sources at the same path.")

    def __del__(self) -> None:
        # Ray gives no other notice.
        self._reader.end()
        self._scratch.close()
