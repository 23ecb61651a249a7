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
from model.errors import GroundglassError
from model.export.folder import write_all
from model.export.pdf import lines
from model.export.tables import measurements
from model.overlay import original_png, render_pictures
from model.segment import Segmentation, segment_slice
from model.volume.segment import segment_volume
from webapp.jobs import FILES, SLICES, UPLOAD, Order, fail, finish, read_order, report, upload_names
from webapp.results import write_result

log = logging.getLogger(__name__)


def work(folder: Path, engine: Engine) -> None:
    """Do a job that was claimed. What goes wrong is told in its folder; its upload is deleted in any case."""
    try:
        order = read_order(folder)
        study = open_study(_sources(folder, order), folder / UPLOAD / "unpacked", as_picture=order.as_picture)
        _read(study, order, folder, engine)
        shutil.rmtree(folder / UPLOAD, ignore_errors=True)
        finish(folder)
    except GroundglassError as exc:
        _give_up(folder, type(exc).__name__, str(exc))
    except Exception:
        # Whatever it was, the sender must not wait for ever.
        log.exception("a volume could not be read")
        _give_up(folder, "", "Something went wrong in the server. Try again; its log says what happened.")


def _sources(folder: Path, order: Order) -> list[SourceFile]:
    files = [folder / UPLOAD / name for name in upload_names(order.names)]
    return [SourceFile(path, name) for path, name in zip(files, order.names, strict=True)]


def _read(study: Study, order: Order, folder: Path, engine: Engine) -> None:
    if isinstance(study, CtSlice):
        _read_picture(study, order, folder, engine)
    else:
        _read_volume(study, order, folder, engine)


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


def _read_volume(study: VolumeStudy, order: Order, folder: Path, engine: Engine) -> None:
    segmentation = segment_volume(
        study.volume,
        engine,
        folder / SLICES,
        threshold=order.threshold,
        quality=order.quality,
        progress=lambda done, of: report(folder, done, of),
    )
    names = write_all(segmentation, study, folder / FILES, name_patient=order.patient)
    details = {
        "name": order.shown_name,
        "files": names,
        "shape": study.volume.shape,
        "lines": lines(segmentation.measured.findings),
        **measurements(segmentation),
    }
    write_result(folder, details, {})


def _give_up(folder: Path, error: str, sentence: str) -> None:
    for part in (UPLOAD, SLICES, FILES):
        shutil.rmtree(folder / part, ignore_errors=True)
    fail(folder, error, sentence)
