"""The work on one job: files -> slices, downloads, details. The server and a worker elsewhere call it alike."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from model import reading
from model.decode.ct import CtSlice
from model.decode.guarded import VOLUME, Reader
from model.decode.kinds import SourceFile
from model.decode.study import Study
from model.errors import GroundglassError, NotAnImage, StorageError
from model.export.folder import write_all
from model.export.lines import lines, spacing, summary
from model.export.pdf import made_on, today
from model.export.tables import measurements
from model.overlay import lung_png, original_png, probability_png
from model.reading import Networks, VolumeReading, read_study
from model.segment import Segmentation
from model.volume.areas import measure_areas
from model.volume.files import SliceFiles
from webapp.jobs.attempt import Attempt, Lost, Stopped
from webapp.jobs.pictures import read_pictures
from webapp.jobs.status import UPLOAD
from webapp.jobs.store import FILES, SLICES, Order, read_order, upload_names
from webapp.monitoring.metrics import DECODE, ENCODE, count_doubt, count_error, timed
from webapp.results import write_result

log = logging.getLogger(__name__)


def work(attempt: Attempt, networks: Networks) -> None:
    """Do a job that was taken. What goes wrong is told in its folder; its upload is deleted when it has ended.

    Where the process is to end first, the job is put back in the queue.
    """
    try:
        _do_or_give_back(attempt, networks)
    except Lost:
        log.warning("a job was deleted while it was read, or begun again by another process")
        attempt.leave()


def _do_or_give_back(attempt: Attempt, networks: Networks) -> None:
    try:
        with attempt.beating():
            _do_or_fail(attempt, networks)
    except Stopped:
        attempt.give_back()


def _do_or_fail(attempt: Attempt, networks: Networks) -> None:
    try:
        _read(attempt, networks)
    except (Lost, Stopped):
        raise
    except Exception as exc:
        # Whatever it was, the sender must not wait for ever.
        count_error(exc)
        attempt.fail(*_told(exc))
    else:
        attempt.finish()


def _told(error: Exception) -> tuple[str, str]:
    """Return the class of the error that is told of, and the sentence."""
    if isinstance(error, StorageError):
        # Whoever sent the volume can make no room; whoever runs the server reads its log.
        log.error("a volume could not be kept: %s", error)
        return "StorageError", "The server has no room left for this volume. Try again later."
    if isinstance(error, GroundglassError):
        return type(error).__name__, str(error)
    log.error("a volume could not be read", exc_info=error)
    return "StorageError", "Something went wrong in the server. Try again; its log says what happened."


def _read(attempt: Attempt, networks: Networks) -> None:
    order = read_order(attempt.folder)
    attempt.made.mkdir(parents=True)
    sources = _sources(attempt.folder, order)
    with Reader(VOLUME) as reader:
        if order.each_picture:
            read_pictures(
                sources,
                order.shown_name,
                attempt,
                lambda source, scratch: _read_alone(reader.open_study([source], scratch), source, order, networks),
            )
            return
        with timed(DECODE):
            study = reader.open_study(sources, attempt.scratch, as_picture=order.as_picture)
        slices = SliceFiles(attempt.made / SLICES)
        read = read_study(study, networks, order.how, files=slices, progress=attempt.progress)
        if isinstance(read, Segmentation):
            # What turned out to be one picture: a zip with one PNG, say.
            count_doubt(read.recognition)
            write_result(attempt.made, *picture_result(read, order.shown_name))
        else:
            _keep_volume(read, order, attempt)


def _read_alone(
    study: Study, source: SourceFile, order: Order, networks: Networks
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read one of several pictures."""
    if not isinstance(study, CtSlice):
        raise NotAnImage("This is a volume. Send it alone.")
    return picture_result(read_slice(study, order, networks), source.name)


def _sources(folder: Path, order: Order) -> list[SourceFile]:
    files = [folder / UPLOAD / name for name in upload_names(order.names)]
    return [SourceFile(path, name) for path, name in zip(files, order.names, strict=True)]


def read_slice(ct_slice: CtSlice, order: Order, networks: Networks) -> Segmentation:
    """Read a slice as ordered; errors as `model.segment.segment_slice` raises them."""
    segmentation = reading.read_slice(ct_slice, networks, order.how)
    count_doubt(segmentation.recognition)
    return segmentation


@timed(ENCODE)
def picture_result(segmentation: Segmentation, shown_name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what is kept of a slice: its details, and its pictures by name as PNG files."""
    details = {"name": shown_name, "made": today().isoformat(), **slice_details(segmentation)}
    lung = lung_png(segmentation)
    # Overlay and mask are drawn from these, as they are looked at.
    pictures = {"original": original_png(segmentation), "probability": probability_png(segmentation)}
    return details, pictures if lung is None else pictures | {"lung": lung}


def slice_details(segmentation: Segmentation) -> dict[str, Any]:
    """Return what was found in a slice, and how, for JSON."""
    return {
        "measurements": segmentation.findings.as_dict(),
        "recognition": segmentation.recognition and segmentation.recognition.as_dict(),
        "notes": segmentation.notes,
        "model": segmentation.model.as_dict(),
        "quality": segmentation.quality,
        "flip_dice": segmentation.flips and segmentation.flips.dice,
    }


def _keep_volume(read: VolumeReading, order: Order, attempt: Attempt) -> None:
    study, segmentation = read.study, read.segmentation
    measure_areas(segmentation.files, segmentation.measured.rows).save(attempt.made)
    count_doubt(segmentation.recognition)
    day = today()
    with timed(ENCODE):
        names = write_all(
            segmentation,
            study,
            attempt.made / FILES,
            name=order.shown_name,
            name_patient=order.patient,
            made=made_on(day, attempt.folder.name[:6]),
        )
    details = {
        "name": order.shown_name,
        "made": day.isoformat(),
        "files": names,
        "patient": order.patient,
        "shape": study.volume.shape,
        "spacing_mm": study.volume.spacing_mm,
        "voxels": spacing(study.volume),
        "sides_known": study.volume.sides_known,
        "lines": lines(segmentation.measured.findings),
        "summary": summary(segmentation.measured.findings),
        **measurements(segmentation),
    }
    write_result(attempt.made, details, {})
