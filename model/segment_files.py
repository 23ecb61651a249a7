"""Many inputs, one folder out: the work behind `python -m model segment`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from model.card import Identity
from model.decode.ct import CtSlice
from model.decode.study import open_study
from model.errors import GroundglassError, MissingFile, NotChestCt
from model.export.folder import write_all
from model.export.montage import slice_overlay_png
from model.export.pdf import made_on, today
from model.inputs import SUFFIXES, Input, find_inputs
from model.networks import NetworkLoader
from model.overlay import render_pictures
from model.reading import How, VolumeReading, read_study
from model.segment import Segmentation
from model.tables import GrowingTable
from model.volume.files import SliceFiles
from model.volume.segment import VolumeSegmentation


@dataclass(frozen=True)
class Options:
    """How inputs are read, DICOM files as plain pictures where that is asked for; whether reports name the patient;
    whether overlays of all slices of a volume are written."""

    how: How
    as_picture: bool = False
    patient: bool = False
    overlays: bool = False


def run(inputs: Sequence[Path], *, out: Path, options: Options, networks: NetworkLoader) -> int:
    """Segment files and folders of files.

    Of each picture it writes NAME_overlay.png, NAME_mask.png, NAME_probability.png and a row of measurements.csv; of
    each series or volume the folder NAME with all of `model.export.folder`, overlays of its slices where they are asked
    for, and a row of volumes.csv. Tables of an earlier run are replaced. Complaints go to standard error.

    Returns
    -------
    Exit status: 0 all done, 1 some inputs failed, 2 nothing could be done.
    """
    try:
        # Before what an earlier run has left is touched.
        networks.wait()
        out.mkdir(parents=True, exist_ok=True)
        failed = _Batch(networks, out, options).read_all(find_inputs(inputs))
    except (GroundglassError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 1 if failed else 0


class _Batch:
    """What all inputs of one run share."""

    def __init__(self, networks: NetworkLoader, out: Path, options: Options) -> None:
        self._networks, self._out, self._options = networks, out, options
        self._slices, self._volumes = GrowingTable(out / "measurements.csv"), GrowingTable(out / "volumes.csv")

    def read_all(self, inputs: Sequence[Input]) -> int:
        """Read each input; return how many failed."""
        failed = 0
        for given in tqdm(inputs, unit="input", disable=None):
            try:
                self._read(given)
            except (GroundglassError, OSError) as exc:
                failed += 1
                tqdm.write(f"{given.origin}: {_reason(exc)}", file=sys.stderr)
        return failed

    def _read(self, given: Input) -> None:
        if not given.files:
            raise MissingFile(f"The folder holds no DICOM file, and none that ends in {', '.join(SUFFIXES)}.")
        with tempfile.TemporaryDirectory(prefix="groundglass-") as folder:
            scratch = Path(folder)
            study = open_study(given.files, scratch / "unpacked", as_picture=self._options.as_picture)
            is_slice = isinstance(study, CtSlice)
            networks = self._networks.for_slices() if is_slice else self._networks.for_volumes()
            files = SliceFiles(scratch / "slices", plain=True)
            read = read_study(study, networks, self._options.how, files=files)
            if isinstance(read, Segmentation):
                self._keep_picture(given, read)
            else:
                self._keep_volume(given, read)

    def _keep_picture(self, given: Input, segmentation: Segmentation) -> None:
        for kind, png in render_pictures(segmentation).items():
            (self._out / f"{given.name}_{kind}.png").write_bytes(png)
        self._slices.add(self._row(given, segmentation.findings.as_dict(), segmentation.model, segmentation.notes))

    def _keep_volume(self, given: Input, read: VolumeReading) -> None:
        how, study, segmentation = self._options, read.study, read.segmentation
        folder = self._out / given.name
        write_all(segmentation, study, folder, name=given.name, name_patient=how.patient, made=made_on(today()))
        # Those of an earlier run would be taken for this volume's.
        _remove_overlays(folder / "overlay")
        if how.overlays:
            _write_overlays(segmentation, folder / "overlay", sides_known=study.volume.sides_known)
        row = segmentation.measured.findings.as_row()
        self._volumes.add(self._row(given, row, segmentation.model, segmentation.notes))

    def _row(
        self, given: Input, figures: Mapping[str, object], model: Identity, notes: Sequence[str]
    ) -> dict[str, object]:
        return {
            "input": str(given.origin),
            "name": given.name,
            **figures,
            "quality": self._options.how.quality,
            "model_id": model.model_id,
            "model_sha256": model.sha256,
            "notes": " ".join(notes),
        }


def _remove_overlays(folder: Path) -> None:
    """Remove overlays from a folder, and the folder unless something else is in it."""
    for earlier in folder.glob("[0-9][0-9][0-9][0-9].png"):
        earlier.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _write_overlays(segmentation: VolumeSegmentation, folder: Path, *, sides_known: bool) -> None:
    """Write an overlay of each slice, numbered from 1 at the feet."""
    folder.mkdir(exist_ok=True)
    files, threshold = segmentation.files, segmentation.measured.findings.threshold
    recognition = segmentation.recognition
    for row in segmentation.measured.rows:
        png = slice_overlay_png(files, row.number - 1, threshold, sides_known=sides_known, recognition=recognition)
        (folder / f"{row.number:04d}.png").write_bytes(png)


def _reason(exc: Exception) -> str:
    if isinstance(exc, NotChestCt):
        return f"{exc} To read it all the same: --force"
    return str(exc.strerror) if isinstance(exc, OSError) else str(exc)
