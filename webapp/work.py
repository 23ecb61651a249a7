"""The work on one job: files -> slices, downloads, details. The server and a worker elsewhere call it alike."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from model.decode.ct import CtSlice
from model.decode.kinds import SourceFile
from model.decode.study import Study, VolumeStudy, open_study
from model.engine import Engine
from model.errors import GroundglassError, StorageError
from model.export.folder import with_file_notes, write_all
from model.export.lines import lines, summary
from model.export.tables import measurements
from model.overlay import original_png, render_pictures
from model.segment import Segmentation, segment_slice
from model.volume.segment import segment_volume
from webapp.jobs import FILES, SLICES, UPLOAD, Order, read_order, upload_names
from webapp.results import write_result
from webapp.status import Report

log = logging.getLogger(__name__)


def work(folder: Path, engine: Engine) -> None:
    """Do a job that was claimed. What goes wrong is told in its folder; its upload is deleted in any case."""
    news = Report(folder)
    try:
        with news.beating():
            order = read_order(folder)
            study = open_study(_sources(folder, order), folder / UPLOAD / "unpacked", as_picture=order.as_picture)
            _read(study, order, folder, engine, news)
        _delete(folder, UPLOAD)
        news.finish()
    except StorageError as exc:
        # Whoever sent the volume can make no room; whoever runs the server reads its log.
        log.error("a volume could not be kept: %s", exc)
        _give_up(folder, news, "StorageError", "The server has no room left for this volume. Try again later.")
    except GroundglassError as exc:
        _give_up(folder, news, type(exc).__name__, str(exc))
    except Exception:
        # Whatever it was, the sender must not wait for ever.
        log.exception("a volume could not be read")
        sentence = "Something went wrong in the server. Try again; its log says what happened."
        _give_up(folder, news, "StorageError", sentence)


def _sources(folder: Path, order: Order) -> list[SourceFile]:
    files = [folder / UPLOAD / name for name in upload_names(order.names)]
    return [SourceFile(path, name) for path, name in zip(files, order.names, strict=True)]


def _read(study: Study, order: Order, folder: Path, engine: Engine, news: Report) -> None:
    if isinstance(study, CtSlice):
        _read_picture(study, order, folder, engine)
    else:
        _read_volume(study, order, folder, engine, news)


def _read_picture(ct_slice: CtSlice, order: Order, folder: Path, engine: Engine) -> None:
    """Read what turned out to be one picture: a zip with one PNG, say."""
    segmentation = segment_slice(ct_slice, engine, threshold=order.threshold, quality=order.quality)
    write_result(folder, *picture_result(segmentation, order.shown_name))


def picture_result(segmentation: Segmentation, shown_name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what is kept of a slice: its details, and its pictures by name as PNG files."""
    details = {
        "name": shown_name,
        "measurements": segmentation.findings.as_dict(),
        "notes": segmentation.ct_slice.notes,
        "model": segmentation.model.as_dict(),
        "quality": segmentation.quality,
    }
    return details, render_pictures(segmentation) | {"original": original_png(segmentation)}


def _read_volume(study: VolumeStudy, order: Order, folder: Path, engine: Engine, news: Report) -> None:
    segmentation = segment_volume(
        study.volume,
        engine,
        folder / SLICES,
        threshold=order.threshold,
        quality=order.quality,
        progress=news.progress,
    )
    segmentation = with_file_notes(segmentation, study)
    names = write_all(segmentation, study, folder / FILES, name_patient=order.patient)
    details = {
        "name": order.shown_name,
        "files": names,
        "patient": order.patient,
        "shape": study.volume.shape,
        "lines": lines(segmentation.measured.findings),
        "summary": summary(segmentation.measured.findings),
        **measurements(segmentation),
    }
    write_result(folder, details, {})


def _give_up(folder: Path, news: Report, error: str, sentence: str) -> None:
    _delete(folder, UPLOAD, SLICES, FILES)
    news.fail(error, sentence)


def _delete(folder: Path, *parts: str) -> None:
    for part in parts:
        shutil.rmtree(folder / part, ignore_errors=True)
