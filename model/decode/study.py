"""Files as they were sent -> one picture or one volume: what else there was is left, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.decode.archive import DAMAGED, Unpacked, unpack_zip
from model.decode.ct import CtSlice, CtVolume
from model.decode.kinds import DICOM, GZIP, NIFTI, PICTURE, ZIP, SourceFile, kind_of
from model.decode.nifti import NiftiGrid, read_nifti
from model.decode.picture import MAX_FILE_MB, decode_picture, several_pictures, several_zips
from model.decode.plain import decode_plain
from model.decode.repeated import DicomGrid
from model.decode.series import read_series
from model.errors import EmptyFile, MissingFile, NotAnImage, TooLarge


@dataclass(frozen=True)
class VolumeStudy:
    """A volume and where it came from, so that masks can be written the same way.

    origin : how the DICOM series, or the NIfTI file, stores it.
    """

    volume: CtVolume
    origin: DicomGrid | NiftiGrid

    def first_slice(self) -> CtSlice:
        """Return the first slice with the notes of the whole: all there is, where one file was sent."""
        ct_slice = self.volume.read(0)
        return replace(ct_slice, notes=(*self.volume.notes, *ct_slice.notes))


Study = CtSlice | VolumeStudy
"""What an upload holds: one picture, or a volume of one slice or more."""


def open_study(sources: Sequence[SourceFile], folder: Path, *, as_picture: bool = False) -> Study:
    """Find the one thing to be read in the files of an upload.

    Parameters
    ----------
    sources : a picture; DICOM files; a NIfTI file; or a zip file with any of these.
    folder : an empty folder for what must be unpacked; it is needed for as long as the study is read.
    as_picture : read a single DICOM file as a plain picture, whatever it shows.

    Returns
    -------
    Of DICOM files the largest axial CT series; its notes say what was left out.

    Raises
    ------
    InputError : nothing can be read, or it is not clear what is meant; with a sentence for the sender.
    """
    if not sources:
        raise MissingFile("No file was sent. Choose a CT slice, a series or a volume.")
    folder.mkdir(parents=True, exist_ok=True)
    if len(sources) == 1:
        return _open_one(sources[0], folder, as_picture=as_picture)
    return _open_many(sources, folder, as_picture=as_picture)


def _open_one(source: SourceFile, folder: Path, *, as_picture: bool) -> Study:
    head = source.head()
    kind = kind_of(head)
    if not head:
        raise EmptyFile("The file is empty (0 bytes). Choose it again; it may still have been copying.")
    if kind == ZIP:
        return _open_zip(source, folder, as_picture=as_picture)
    if kind == DICOM:
        return _open_dicom([source], as_picture=as_picture)
    if kind in (NIFTI, GZIP):
        nifti = read_nifti(source, folder)
        return VolumeStudy(nifti.volume, nifti.grid)
    if source.path.stat().st_size > MAX_FILE_MB * 1_000_000:
        raise TooLarge(f"{source.title} has more than {MAX_FILE_MB} MB, the most that is read of a picture.")
    return decode_picture(source.path.read_bytes())


def _open_zip(source: SourceFile, folder: Path, *, as_picture: bool) -> Study:
    unpacked = unpack_zip(source, folder)
    if not unpacked.files:
        raise NotAnImage("The zip file holds no DICOM, NIfTI or picture file. Pack the files of one series.")
    study = _open_many(unpacked.files, folder, as_picture=as_picture, lost=unpacked.left.get(DAMAGED, 0))
    return _with_notes(study, _left_in_zip(unpacked))


def _left_in_zip(unpacked: Unpacked) -> list[str]:
    return [
        f"{count} {'file' if count == 1 else 'files'} of the zip file left out: {what}."
        for what, count in unpacked.left.items()
    ]


def _open_many(sources: Sequence[SourceFile], folder: Path, *, as_picture: bool, lost: int = 0) -> Study:
    """Read the series among several files, or else the only volume or picture. lost : see `read_series`."""
    kinds: dict[str, list[SourceFile]] = {}
    for source in sources:
        kinds.setdefault(kind_of(source.head()), []).append(source)
    volumes = kinds.get(NIFTI, []) + kinds.get(GZIP, [])
    pictures = kinds.get(PICTURE, [])
    if DICOM in kinds:
        others = len(sources) - len(kinds[DICOM])
        return _with_notes(_open_dicom(kinds[DICOM], as_picture=as_picture, lost=lost), _others(others, "DICOM"))
    if len(volumes) > 1:
        raise NotAnImage(f"{len(volumes)} volumes were sent. Send one at a time.")
    if volumes:
        return _with_notes(_open_one(volumes[0], folder, as_picture=False), _others(len(sources) - 1, "NIfTI"))
    if len(pictures) > 1:
        raise several_pictures(len(pictures))
    if pictures:
        return _with_notes(_open_one(pictures[0], folder, as_picture=False), _others(len(sources) - 1, "picture"))
    if ZIP in kinds:
        raise several_zips(len(kinds[ZIP]))
    raise NotAnImage(
        f"None of the {len(sources)} files is a DICOM, NIfTI or picture file. Choose the files of one scan."
    )


def _others(count: int, kept: str) -> list[str]:
    if not count:
        return []
    return [f"{count} other {'file was' if count == 1 else 'files were'} left out: only the {kept} part was read."]


def _open_dicom(sources: Sequence[SourceFile], *, as_picture: bool, lost: int = 0) -> Study:
    if as_picture and len(sources) == 1:
        return decode_plain(sources[0])
    if as_picture:
        raise NotAnImage(f"{len(sources)} DICOM files were sent. Send one at a time to have it read as a picture.")
    series = read_series(sources, lost=lost)
    return VolumeStudy(series.volume, series.grid)


def _with_notes(study: Study, notes: Sequence[str]) -> Study:
    if isinstance(study, CtSlice):
        return replace(study, notes=(*study.notes, *notes))
    return replace(study, volume=replace(study.volume, notes=(*study.volume.notes, *notes)))
