"""What is named on the command line -> the studies to read: files, folders of pictures, folders of a series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.decode.kinds import DICOM, SourceFile, kind_of

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
VOLUME_SUFFIXES = (".nii", ".nii.gz", ".zip")
SUFFIXES = PICTURE_SUFFIXES + VOLUME_SUFFIXES
"""What is taken from a folder by its ending; a file that is named itself may be called anything."""

TABLES = ("measurements.csv", "volumes.csv")
"""What lies beside the results: no input may be called so."""


def is_picture(path: Path) -> bool:
    """Tell a picture from all else by its ending alone.

    >>> is_picture(Path("a.PNG")), is_picture(Path("a.nii.gz"))
    (True, False)
    """
    return path.name.lower().endswith(PICTURE_SUFFIXES)


@dataclass(frozen=True)
class Input:
    """One thing to be read: its files, where they come from, and a name for what is written of it."""

    files: tuple[SourceFile, ...]
    origin: Path
    name: str


def find_inputs(paths: Sequence[Path]) -> list[Input]:
    """Return the inputs in order.

    A folder gives each picture and volume that lies directly in it, and all the DICOM files in it and below as one
    series. A folder with nothing of the kind gives an input without files, to be complained of.
    """
    found = [found for path in paths for found in _expand(path)]
    taken = set(TABLES)
    return [Input(files, origin, _free_name(origin, taken)) for files, origin in found]


def _expand(path: Path) -> Iterator[tuple[tuple[SourceFile, ...], Path]]:
    if not path.is_dir():
        yield (SourceFile(path, path.name),), path
        return
    named = [file for file in sorted(path.iterdir()) if file.name.lower().endswith(SUFFIXES) and file.is_file()]
    yield from (((SourceFile(file, file.name),), file) for file in named)
    series = tuple(_dicom_files(path))
    if series or not named:
        yield series, path


def _dicom_files(folder: Path) -> Iterator[SourceFile]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink():
            source = SourceFile(file, file.name)
            if kind_of(source.head()) == DICOM:
                yield source


def _free_name(path: Path, taken: set[str]) -> str:
    """Return the name of a folder, or of a file without its ending; numbered where another input has taken it."""
    # "." and ".." would lead out of the folder that results go to.
    whole = path.resolve().name if path.name in ("", "..") else path.name
    ending = ".nii.gz" if whole.lower().endswith(".nii.gz") else Path(whole).suffix
    stem = whole[: len(whole) - len(ending)] if ending and not path.is_dir() else whole
    stem = stem or "input"
    name, number = stem, 1
    # Case is ignored, since some file systems do.
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name
