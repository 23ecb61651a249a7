"""A volume that was read -> a folder with everything that can be kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from model.cores import usable_cores
from model.decode.nifti import NiftiGrid
from model.decode.repeated import DicomGrid
from model.decode.study import VolumeStudy
from model.errors import StorageError
from model.export.dicom_seg import is_linked, is_possible, write_seg
from model.export.montage import montage_png
from model.export.names import CSV, JSON, MASK, MONTAGE, PROBABILITY, REPORT, SEG
from model.export.nifti import Target, write_mask, write_probability
from model.export.pdf import report_pdf
from model.export.planes import is_uneven, planes
from model.export.tables import as_csv, as_json
from model.volume.segment import VolumeSegmentation
from model.warning import label


def write_all(
    segmentation: VolumeSegmentation,
    study: VolumeStudy,
    folder: Path,
    *,
    name: str = "",
    name_patient: bool = False,
    made: str = "",
) -> list[str]:
    """Write mask, probability, montage, report and tables of a volume; of a DICOM series the SEG too.

    name : what the sender calls the file or series. It may hold the patient's, so the report gives neither unless
        `name_patient` asks for both.
    made : which result it is and when it was read, see `model.export.pdf.made_on`.

    Returns
    -------
    The names of the files that were written.

    Raises
    ------
    StorageError : the disk is full or cannot be written.
    """
    files = segmentation.files
    told = {"name": name, "patient": _patient(study)} if name_patient else {}
    with _kept_in(folder):
        masks = _masks(segmentation, study, folder)
        works: list[Callable[[], None]] = [
            partial(write_probability, files, _target(segmentation, study), folder / PROBABILITY),
            *masks.values(),
            partial(_write_pages, segmentation, study, folder, made=made, told=told),
        ]
        _do_all(works)
    return [MASK, PROBABILITY, MONTAGE, REPORT, CSV, JSON, *(name for name in masks if name != MASK)]


def write_masks(segmentation: VolumeSegmentation, study: VolumeStudy, folder: Path) -> list[str]:
    """Write the masks of a volume alone, and return their names; errors as in `write_all`."""
    with _kept_in(folder):
        masks = _masks(segmentation, study, folder)
        _do_all(list(masks.values()))
    return list(masks)


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Make a folder for what is written in a block."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as exc:
        raise StorageError(f"The results cannot be kept: {exc.strerror}. Make room, then try again.") from exc


def _masks(segmentation: VolumeSegmentation, study: VolumeStudy, folder: Path) -> dict[str, Callable[[], None]]:
    """Return what writes the mask, and of a DICOM series the SEG too, by the names of the files."""
    files, threshold = segmentation.files, segmentation.measured.findings.threshold
    target = _target(segmentation, study)
    works: dict[str, Callable[[], None]] = {
        MASK: partial(write_mask, files, target, folder / MASK, threshold=threshold)
    }
    if isinstance(study.origin, DicomGrid) and is_possible(study.volume):
        works[SEG] = partial(
            write_seg,
            study.origin,
            files,
            folder / SEG,
            threshold=threshold,
            model=segmentation.model,
            warning=target.warning,
        )
    else:
        # One of an earlier run would be taken for this volume's.
        (folder / SEG).unlink(missing_ok=True)
    return works


def _target(segmentation: VolumeSegmentation, study: VolumeStudy) -> Target:
    grid = study.origin if isinstance(study.origin, NiftiGrid) else None
    return Target(study.volume, grid, label(segmentation.recognition))


def _do_all(works: Sequence[Callable[[], None]]) -> None:
    """Do several works side by side, the longest first; raise what the first of them raises that fails."""
    with ThreadPoolExecutor(usable_cores()) as threads:
        for done in [threads.submit(work) for work in works]:
            done.result()


def _write_pages(
    segmentation: VolumeSegmentation, study: VolumeStudy, folder: Path, *, made: str, told: Mapping[str, str]
) -> None:
    """Write what is read by people, and the tables; `told` is what the report says of name and patient."""
    files, rows = segmentation.files, segmentation.measured.rows
    threshold, recognition = segmentation.measured.findings.threshold, segmentation.recognition
    montage = montage_png(files, rows, threshold=threshold, volume=study.volume, recognition=recognition)
    (folder / MONTAGE).write_bytes(montage)
    (folder / REPORT).write_bytes(report_pdf(segmentation, study.volume, made=made, **told))
    (folder / CSV).write_text(as_csv(segmentation), encoding="utf-8")
    (folder / JSON).write_text(as_json(segmentation), encoding="utf-8")


def with_file_notes(segmentation: VolumeSegmentation, study: VolumeStudy) -> VolumeSegmentation:
    """Add where the files of a volume fall short of what they look like."""
    return replace(segmentation, notes=(*segmentation.notes, *_file_notes(study)))


def _file_notes(study: VolumeStudy) -> list[str]:
    origin = study.origin
    notes = []
    if is_uneven(study.volume):
        notes.append(
            f"NIfTI knows even distances only: the NIfTI files have {len(planes(study.volume))} planes, each of which "
            "holds the nearest slice. The DICOM SEG has each slice at its place."
        )
    if isinstance(origin, DicomGrid) and not is_possible(study.volume):
        notes.append("There is no DICOM SEG: it needs the spacing and place of the slices, which the series lacks.")
    elif isinstance(origin, DicomGrid) and not is_linked(origin):
        notes.append(
            "The series lacks valid identifiers, so the DICOM SEG has made-up ones: viewers may not show it over the "
            "series."
        )
    return notes


def _patient(study: VolumeStudy) -> str:
    """Return the name that a DICOM series gives its patient; empty where there is none."""
    return study.origin.patient() if isinstance(study.origin, DicomGrid) else ""
