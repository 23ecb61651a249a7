"""Raw scans and masks -> paired slices and a manifest that training.data.dataset reads.

python -m training.prepare volumes --scans ct --masks lesions --lungs lungs --source clinic-a --out data/clinic-a
python -m training.prepare pictures --scans slices --masks masks --patients p.csv --source clinic-b --out data/clinic-b
python -m training.prepare pictures --folder clinic-c --patients c.csv --source clinic-c --out data/clinic-c

volumes    NIfTI files, or folders with a DICOM series each, in Hounsfield units: cut into axial slices as displayed, in
           the window of model.preprocess; their masks are NIfTI files
pictures   pictures of 8 bit: taken as they are; --folder names one that holds frames/ and masks/

Scans and masks belong together where their names agree but for the ending; a file without its partner is an error.
Volumes are patients of their own unless --patients says otherwise. What is a patient among pictures, their names do not
tell, and neighbouring slices of one patient must not stand on both sides of the split: say so by --patients.
OUT/prepare.json says how the slices were made. OUT/index.csv is written last, once all of them are there.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from model.preprocess import WINDOW_HU
from training.commands import sentences
from training.convert.pairing import Patient, Scan, draw_patients, pair, read_patients
from training.convert.scans import read_pictures, read_volumes
from training.convert.shaping import CLIP_LIMIT, TILES, shape
from training.data.labels import write_picture
from training.data.sample import Sample
from training.data.tables import write_table

log = logging.getLogger(__name__)

SUFFIXES = {
    "volumes": (".nii", ".nii.gz"),
    "pictures": (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
}
"""The kinds of input, and how the names of their files end."""

COLUMNS = (
    "image",
    "mask",
    "lung",
    "source",
    "patient",
    "volume",
    "slice",
    "lesion_px",
    "mask_resolution",
    "split",
)


@dataclass(frozen=True)
class Recipe:
    """How slices are made: what OUT/prepare.json says of a data set."""

    kind: str  # "volumes" or "pictures"
    source: str  # where the scans come from, for the manifest
    lesion_labels: tuple[int, ...] = ()  # the values of a mask that are lesion; empty = its only value beside 0
    clahe: bool = False  # even out the contrast, see training.convert.shaping
    crop_lungs_percent: float | None = None  # cut to the lungs with this margin; None = keep slices whole

    def as_dict(self) -> dict[str, Any]:
        """Return all that the values of a slice depend on, constants included, for JSON."""
        return {
            "kind": self.kind,
            "source": self.source,
            "lesion_labels": list(self.lesion_labels),
            "window_hu": list(WINDOW_HU) if self.kind == "volumes" else None,
            "crop_lungs_percent": self.crop_lungs_percent,
            "clahe": {"clip_limit": CLIP_LIMIT, "tiles": TILES} if self.clahe else None,
        }


def prepare(scans: Sequence[Scan], patients: Mapping[str, Patient], out: Path, recipe: Recipe) -> Path:
    """Write slices, masks, the recipe and the manifest.

    The slices of a volume count from the feet, the pictures of a patient in the order of their names.

    Parameters
    ----------
    patients : by the stem of a scan.

    Returns
    -------
    The path of the manifest.

    Raises
    ------
    FileExistsError : `out` holds a manifest already.
    ValueError : a file is damaged, has values that it should not have, or a mask does not lie on its scan.
    """
    manifest = out / "index.csv"
    if manifest.exists():
        raise FileExistsError(f"{manifest} exists already: choose another folder or remove it")
    lines = []
    counts: Counter[str] = Counter()
    for scan in tqdm(scans, unit="scan", disable=None):
        patient = patients[scan.stem]
        volume = scan.stem if recipe.kind == "volumes" else patient.name
        for name, sample in _read(scan, recipe):
            line = _write_slice(out, name, sample) | {"source": recipe.source, "patient": patient.name}
            lines.append(line | {"volume": volume, "slice": counts[volume], "split": patient.split})
            counts[volume] += 1
    (out / "prepare.json").write_text(json.dumps(recipe.as_dict(), indent=2) + "\n", encoding="utf-8")
    write_table(manifest, COLUMNS, lines)
    log.info("%d slices in %s", len(lines), manifest)
    return manifest


def _read(scan: Scan, recipe: Recipe) -> Iterator[tuple[str, Sample]]:
    """Yield the names and slices of one scan."""
    if recipe.kind == "pictures":
        named = [(scan.stem, read_pictures(scan, recipe.lesion_labels))]
    else:
        samples = read_volumes(scan, recipe.lesion_labels)
        named = [(f"{scan.stem}_z{number:03d}", sample) for number, sample in enumerate(samples)]
    for name, sample in named:
        yield name, shape(sample, clahe=recipe.clahe, crop_lungs_percent=recipe.crop_lungs_percent)


def _write_slice(out: Path, name: str, sample: Sample) -> dict[str, object]:
    """Write one slice as PNG; return its part of the manifest's line."""
    lung = "" if sample.lung is None else write_picture(out, f"lungs/{name}.png", sample.lung)
    return {
        "image": write_picture(out, f"images/{name}.png", sample.image),
        "mask": write_picture(out, f"masks/{name}.png", sample.lesion),
        "lung": lung,
        "lesion_px": int(np.count_nonzero(sample.lesion)),
        "mask_resolution": max(sample.lesion.shape),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and prepare; what is wrong with the files goes to standard error, with status 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(options, parser)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = Recipe(options.kind, options.source, tuple(options.lesion_labels), options.clahe, options.crop_lungs)
    with sentences(parser):
        scans = _pair(options)
        prepare(scans, _patients(options, scans), options.out, recipe)


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Hold the options against each other; what does not go together ends the program with status 2."""
    if options.folder and (options.scans or options.masks):
        parser.error("--folder stands for --scans and --masks: name it or them")
    if not options.folder and not (options.scans and options.masks):
        parser.error("--scans and --masks are needed" + (", or --folder" if options.kind == "pictures" else ""))
    told = options.patients or options.each_picture_a_patient or options.validation_share == 0.0
    if options.kind == "pictures" and not told:
        parser.error(
            "which pictures are of one patient? Slices of one must not be on both sides of the split. Name a CSV with "
            "--patients, or say --each-picture-a-patient, or --validation-share 0 where all are to train"
        )
    if options.crop_lungs is not None and not options.lungs:
        parser.error("--crop-lungs needs lung masks: name their folder with --lungs")


def _pair(options: argparse.Namespace) -> list[Scan]:
    return pair(
        options.folder / "frames" if options.folder else options.scans,
        options.folder / "masks" if options.folder else options.masks,
        options.lungs,
        suffixes=SUFFIXES[options.kind],
        series=options.kind == "volumes",
        skip_orphans=options.skip_orphans,
    )


def _patients(options: argparse.Namespace, scans: Sequence[Scan]) -> dict[str, Patient]:
    stems = [scan.stem for scan in scans]
    if options.patients:
        return read_patients(options.patients, stems)
    return draw_patients(stems, validation_share=options.validation_share, rng=np.random.default_rng(options.seed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.prepare", description="Make slices and a manifest.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, suffixes in SUFFIXES.items():
        series = " or folders of DICOM files" if kind == "volumes" else ""
        command = kinds.add_parser(kind, help=f"files that end in {', '.join(suffixes)}{series}")
        command.add_argument("--scans", type=Path, help="folder of the scans")
        command.add_argument("--masks", type=Path, help="folder of the lesion masks")
        command.set_defaults(folder=None, each_picture_a_patient=False)
        if kind == "pictures":
            command.add_argument("--each-picture-a-patient", action="store_true", help="no two are of one patient")
            command.add_argument("--folder", type=Path, help="holds frames/ and masks/, instead of --scans and --masks")
        _add_options(command)
    return parser


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--lungs", type=Path, help="folder of the lung masks; some or all may be missing")
    command.add_argument("--out", type=Path, required=True, help="folder to write")
    command.add_argument("--source", required=True, help="name of the collection")
    command.add_argument("--lesion-labels", type=int, nargs="+", default=[], help="default: the only one but 0")
    command.add_argument("--patients", type=Path, help="CSV: stem, patient, split; default: each volume a patient")
    command.add_argument("--validation-share", type=float, default=0.2, help="of patients (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of the drawn split (default: %(default)s)")
    command.add_argument("--skip-orphans", action="store_true", help="list files without a partner and go on")
    command.add_argument(
        "--crop-lungs", type=float, metavar="MARGIN", help="cut slices to the lungs, with a margin in percent"
    )
    command.add_argument("--clahe", action="store_true", help="even out the contrast (limited, by tiles)")


if __name__ == "__main__":
    main()
