"""Which files belong together, and to whom: scans with their masks by name, patients with their split."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


def pair(images: Path, masks: Path, lungs: Path | None = None, *, suffixes: Sequence[str]) -> list[Scan]:
    """Pair the files of folders by stem: the name without one of the suffixes.

    Every image needs a mask and every mask an image; a lung mask needs an image, but may be missing.

    Returns
    -------
    The scans in the order of their stems.

    Raises
    ------
    ValueError : a file has no partner, two files of a folder share a stem, or a folder holds no such file.
    """
    by_stem = files_by_stem(images, suffixes)
    masks_by_stem = files_by_stem(masks, suffixes)
    lungs_by_stem = files_by_stem(lungs, suffixes) if lungs else {}
    _refuse_orphans(by_stem, masks_by_stem, f"no mask in {masks}")
    _refuse_orphans(masks_by_stem, by_stem, f"no scan in {images}")
    _refuse_orphans(lungs_by_stem, by_stem, f"no scan in {images}")
    return [Scan(stem, by_stem[stem], masks_by_stem[stem], lungs_by_stem.get(stem)) for stem in sorted(by_stem)]


def files_by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return the files of a folder whose names end in one of the suffixes, hidden ones left out, by stem.

    Raises
    ------
    FileNotFoundError : the folder does not exist.
    ValueError : it holds no such file, or two of one stem.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((end for end in suffixes if path.name.lower().endswith(end)), None)
        if suffix is None or path.name.startswith("."):
            continue
        stem = path.name[: -len(suffix)]
        if stem in found:
            raise ValueError(f"{folder} holds {found[stem].name} and {path.name}: remove or rename one of them")
        found[stem] = path
    if not found:
        raise ValueError(f"{folder} holds no file that ends in {', '.join(suffixes)}")
    return found


def _refuse_orphans(files: Mapping[str, Path], partners: Mapping[str, Path], what: str) -> None:
    orphans = [str(files[stem]) for stem in sorted(set(files) - set(partners))]
    if orphans:
        raise ValueError(f"{len(orphans)} files have {what}: {', '.join(orphans)}. Rename, add or remove files")


def read_patients(file: Path, stems: Iterable[str]) -> dict[str, Patient]:
    """Read a CSV with the columns stem, patient, split; return the patients by stem.

    Raises
    ------
    ValueError : a column or a scan is missing, a stem is named twice or is no scan, a split is unknown, or a patient
        is in two splits.
    """
    patients: dict[str, Patient] = {}
    # Spreadsheets put a byte order mark before the first column.
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if not {"stem", "patient", "split"} <= set(reader.fieldnames or []):
            raise ValueError(f"{file} must have the columns stem, patient, split, got {reader.fieldnames}")
        for line in reader:
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
