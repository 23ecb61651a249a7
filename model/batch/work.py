"""One study of a batch: its files -> its row, and its masks where they are wanted. A process of its own calls it."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Self

from model.batch.addresses import place_of
from model.batch.place import Place, reason, written
from model.batch.rows import Row, failed_row, remove_row, row_of, write_row
from model.batch.studies import Study
from model.card import SHIPPED_WEIGHTS, Identity, identify, join_identities
from model.decode.ct import CtSlice
from model.decode.kinds import SourceFile
from model.decode.study import open_study
from model.errors import GroundglassError, NotChestCt, StorageError, WeightsError
from model.export.folder import write_masks
from model.networks import NetworkLoader
from model.overlay import mask_png
from model.reading import How, VolumeReading, read_study
from model.segment import Segmentation
from model.volume.files import SliceFiles

log = logging.getLogger(__name__)

NOT_READ = "OSError"
"""Kind of error of what the system did not let be read. The next run tries it again: it may do so then."""

MASKS = "masks"


@dataclass(frozen=True)
class Order:
    """How all studies of a batch are read, and where their rows go.

    weights : none are the shipped ones. model : which they are.
    """

    out: str
    how: How
    model: Identity
    weights: tuple[str, ...] = ()
    masks: bool = False

    @property
    def settings(self) -> str:
        """Return what a row must have been made by to count."""
        return json.dumps([self.model.sha256, asdict(self.how), self.masks])

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Self:
        """Return an order that was told as plain values."""
        how, model = How(**told["how"]), Identity(**told["model"])
        return cls(told["out"], how, model, tuple(told["weights"]), told["masks"])


def model_of(weights: Sequence[Path]) -> Identity:
    """Return which model some weights are, none being the shipped ones.

    Raises
    ------
    WeightsError : a file is missing or damaged.
    """
    return join_identities([identify(file) for file in weights or [SHIPPED_WEIGHTS]])


class Worker:
    """Reads studies one after the other. The networks are loaded once."""

    def __init__(self, order: Order) -> None:
        """Load the networks.

        Raises
        ------
        WeightsError : they cannot be loaded. BadPlace, OSError : the place of the results cannot be used.
        """
        self._order = order
        if model_of(list(map(Path, order.weights))) != order.model:
            raise WeightsError("The weights here are not those with which the run began: begin it again.")
        self._networks = NetworkLoader([Path(file) for file in order.weights], volumes=True)
        self._out = place_of(order.out)
        # Finding out what an address is takes a store a moment, each time.
        self._source = cache(place_of)
        self._networks.wait()

    def read(self, study: Study) -> Row:
        """Read a study, keep its files, then its row, and return that; whatever is wrong with the study is in it.

        Raises
        ------
        NotWritable : what was found cannot be kept.
        """
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="study-") as folder:
            row = self._row(study, Path(folder), begun)
            # What was written until something failed is not to be kept.
            masks = None if row.get("error") else Path(folder) / MASKS
            with written(self._out.address):
                return keep(self._out, self._order, study, row, masks)

    def _row(self, study: Study, scratch: Path, begun: float) -> Row:
        if not study.is_readable:
            return failed_row(study, NOT_READ, study.problem)
        try:
            read = self._read(study, scratch)
            return row_of(study, read, seconds=time.monotonic() - begun)
        except StorageError as exc:
            kind, sentence = NOT_READ, f"{exc} They lie in {scratch.parent} while a study is read."
        except NotChestCt as exc:
            kind, sentence = type(exc).__name__, f"{exc} To read it all the same: --force"
        except GroundglassError as exc:
            kind, sentence = type(exc).__name__, str(exc)
        except OSError as exc:
            kind, sentence = NOT_READ, f"The files cannot be read: {reason(exc)}."
        # Nothing that a study holds may end the batch.
        except Exception as exc:
            log.exception("%s could not be read", study.where)
            kind, sentence = type(exc).__name__, f"The program failed over this study: {type(exc).__name__}: {exc}"
        return failed_row(study, kind, sentence, seconds=time.monotonic() - begun)

    def _read(self, study: Study, scratch: Path) -> Segmentation | VolumeReading:
        opened = open_study(self._fetched(study, scratch / "fetched"), scratch / "unpacked")
        networks = self._networks.for_slices() if isinstance(opened, CtSlice) else self._networks.for_volumes()
        slices = SliceFiles(scratch / "slices", plain=True)
        read = read_study(opened, networks, self._order.how, files=slices)
        if self._order.masks:
            _write_masks(read, scratch / MASKS)
        return read

    def _fetched(self, study: Study, folder: Path) -> list[SourceFile]:
        folder.mkdir()
        source = self._source(study.source)
        return [SourceFile(source.fetch(path, folder), PurePosixPath(path).name) for path in study.paths]


def keep(out: Place, order: Order, study: Study, row: Row, masks: Path | None = None) -> Row:
    """Keep the masks of a study, which may be none, and then its row, which is returned as it is kept.

    In between it has no row: of a run that is killed then, no masks lie beside a row that they do not belong to.

    Raises
    ------
    OSError : they cannot be written.
    """
    remove_row(out, study.name)
    folder = f"studies/{study.name}"
    if masks is not None and masks.is_dir():
        out.put(masks, folder)
    else:
        out.remove(folder)
    asked = {"threshold": order.how.threshold, "quality": order.how.quality}
    by = {"model_id": order.model.model_id, "model_sha256": order.model.sha256}
    kept = asked | by | row | {"version": study.version(order.settings)}
    write_row(out, kept)
    return kept


def is_done(order: Order, study: Study, row: Row | None) -> bool:
    """Whether a study needs not be read: it has a row, and is what it was then."""
    return row is not None and row["version"] == study.version(order.settings) and row.get("error_kind") != NOT_READ


def _write_masks(read: Segmentation | VolumeReading, folder: Path) -> None:
    if isinstance(read, VolumeReading):
        write_masks(read.segmentation, read.study, folder)
    else:
        folder.mkdir()
        (folder / "mask.png").write_bytes(mask_png(read))
