"""Which files belong together, and to whom: scans with their masks by name, patients with their split."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.convert.dicom import series_files
from training.data.tables import read_table
from training.report.numbers import counted

log = logging.getLogger(__name__)

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Scan:
    """The files of one scan. `lung` is None where no lung mask was drawn."""

    stem: str
    image: Path
    mask: Path
    lung: Path | None


@dataclass(frozen=True)
class Patient:
    """Whose scan it is, and on which side of the split all of the patient's scans are."""

    name: str
    split: str


def pair(
    images: Path,
    masks: Path,
    lungs: Path | None = None,
    *,
    suffixes: Sequence[str],
    series: bool = False,
    skip_orphans: bool = False,
) -> list[Scan]:
    """Pair the files of folders by stem: the name without one of the suffixes.

    Every image needs a mask and every mask an image; a lung mask needs an image, but may be missing.

    Parameters
    ----------
    series : sub-folders of `images` that hold DICOM files are scans too, by the name of the folder.
    skip_orphans : log what has no partner and leave it out, instead of raising.

    Returns
    -------
    The scans in the order of their stems.

    Raises
    ------
    ValueError : files have no partner (all are listed), two of a folder share a stem, or nothing is left.
    """
    by_stem = files_by_stem(images, suffixes, series=series)
    masks_by_stem = files_by_stem(masks, suffixes)
    lungs_by_stem = files_by_stem(lungs, suffixes) if lungs else {}
    orphans = [
        *_list_orphans(by_stem, masks_by_stem, f"no mask in {masks}"),
        *_list_orphans(masks_by_stem, by_stem, f"no scan in {images}"),
        *_list_orphans(lungs_by_stem, by_stem, f"no scan in {images}"),
    ]
    paired = sorted(set(by_stem) & set(masks_by_stem))
    if orphans and not (skip_orphans and paired):
        raise ValueError(f"{'; '.join(orphans)}. Rename, add or remove files, or leave them out by --skip-orphans")
    for listed in orphans:
        log.warning("left out: %s", listed)
    return [Scan(stem, by_stem[stem], masks_by_stem[stem], lungs_by_stem.get(stem)) for stem in paired]


def files_by_stem(folder: Path, suffixes: Sequence[str], *, series: bool = False) -> dict[str, Path]:
    """Return the files of a folder whose names end in one of the suffixes, hidden ones left out, by stem.

    With `series`, also its sub-folders that hold DICOM files, by their names.

    Raises
    ------
    FileNotFoundError : the folder does not exist.
    ValueError : it holds no such file, or two of one stem.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem = _stem(path, suffixes, series=series)
        if stem is None:
            continue
        if stem in found:
            raise ValueError(f"{folder} holds {found[stem].name} and {path.name}: remove or rename one of them")
        found[stem] = path
    if not found:
        or_series = ", and no folder with DICOM files" if series else ""
        raise ValueError(f"{folder} holds no file that ends in {', '.join(suffixes)}{or_series}")
    return found


def _stem(path: Path, suffixes: Sequence[str], *, series: bool) -> str | None:
    """Return what names a scan or mask, None where the path is neither."""
    if path.name.startswith("."):
        return None
    if path.is_dir():
        return path.name if series and series_files(path) else None
    suffix = next((end for end in suffixes if path.name.lower().endswith(end)), None)
    return None if suffix is None else path.name[: -len(suffix)]


def _list_orphans(files: Mapping[str, Path], partners: Mapping[str, Path], what: str) -> list[str]:
    """Return one clause that lists the files without a partner, or none."""
    orphans = [str(files[stem]) for stem in sorted(set(files) - set(partners))]
    verb = "has" if len(orphans) == 1 else "have"
    return [f"{counted(len(orphans), 'file')} {verb} {what}: {', '.join(orphans)}"] if orphans else []


def read_patients(file: Path, stems: Iterable[str]) -> dict[str, Patient]:
    """Read a CSV with the columns stem, patient, split; return the patients by stem.

    Raises
    ------
    ValueError : a column or a scan is missing, a stem is named twice or is no scan, a split is unknown, or a patient
        is in two splits.
    """
    patients: dict[str, Patient] = {}
    for line in read_table(file, ("stem", "patient", "split")):
        if line["stem"] in patients:
            raise ValueError(f"{file} names {line['stem']!r} twice")
        patients[line["stem"]] = Patient(line["patient"], line["split"])
    _check_patients(file, patients, set(stems))
    return patients


def _check_patients(file: Path, patients: Mapping[str, Patient], stems: set[str]) -> None:
    differing = sorted(stems ^ set(patients))
    if differing:
        raise ValueError(f"{file} and the scans differ in: {', '.join(differing)}. Each scan needs one row")
    splits: dict[str, str] = {}
    for patient in patients.values():
        if patient.split not in SPLITS:
            raise ValueError(f"{file}: split must be {' or '.join(SPLITS)}, got {patient.split!r} for {patient.name}")
        if splits.setdefault(patient.name, patient.split) != patient.split:
            raise ValueError(f"{file}: patient {patient.name} is in train and in val, so that the figures would lie")


def draw_patients(stems: Sequence[str], *, validation_share: float, rng: np.random.Generator) -> dict[str, Patient]:
    """Take every scan for a patient of its own and draw which patients are for validation.

    Parameters
    ----------
    validation_share : of the patients, 0.0 ... below 1.0; rounded, but at least one patient unless it is 0.0.

    Raises
    ------
    ValueError : the share is out of range, or would leave no patient to train on.
    """
    if not 0.0 <= validation_share < 1.0:
        raise ValueError(f"validation_share must be at least 0 and below 1, got {validation_share}")
    count = max(1, round(validation_share * len(stems))) if validation_share > 0.0 else 0
    if count >= len(stems):
        raise ValueError(
            f"a validation share of {validation_share} of {len(stems)} patients leaves none to train on: "
            "add scans, or take a share of 0"
        )
    drawn = {stems[int(position)] for position in rng.permutation(len(stems))[:count]}
    return {stem: Patient(stem, "val" if stem in drawn else "train") for stem in stems}
