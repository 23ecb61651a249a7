"""Raw scans -> paired slices and a manifest that training.dataset reads.

python -m training.prepare volumes --scans ct --masks lesions --lungs lungs --source clinic-a --out data/clinic-a
python -m training.prepare pictures --scans frames --masks masks --source clinic-b --out data/clinic-b

volumes    NIfTI files in Hounsfield units: cut into axial slices as displayed, in the window of training.volumes
pictures   pictures of 8 bit: taken as they are

Scans and masks belong together where their names agree but for the ending; a file without its partner is an error.
OUT/index.csv is written last, once all slices are there.
"""

from __future__ import annotations

import argparse
import csv
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.dataset import read_gray
from training.pairing import Patient, Scan, draw_patients, pair, read_patients
from training.sample import Sample
from training.strokes import ByteImage
from training.volumes import Volume, check_grid, read_volume, to_gray, to_mask

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


def prepare(
    kind: str,
    scans: Sequence[Scan],
    patients: Mapping[str, Patient],
    out: Path,
    *,
    source: str,
    lesion_labels: tuple[int, ...] = (),
) -> Path:
    """Write slices, masks and the manifest.

    Parameters
    ----------
    kind : "volumes" or "pictures". The slices of a volume count from the feet, the pictures of a patient in the
        order of their names.
    patients : by the stem of a scan.
    source : where the scans come from, for the manifest.
    lesion_labels : the values of a mask that are lesion; empty = its only value beside 0.

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
        volume = scan.stem if kind == "volumes" else patient.name
        for name, sample in _read(kind, scan, lesion_labels):
            line = _write_slice(out, name, sample) | {"source": source, "patient": patient.name}
            lines.append(line | {"volume": volume, "slice": counts[volume], "split": patient.split})
            counts[volume] += 1
    _write_manifest(manifest, lines)
    return manifest


def _read(kind: str, scan: Scan, lesion_labels: tuple[int, ...]) -> Iterator[tuple[str, Sample]]:
    """Yield the names and slices of one scan."""
    if kind == "pictures":
        yield scan.stem, read_pictures(scan, lesion_labels)
        return
    for number, sample in enumerate(read_volumes(scan, lesion_labels)):
        yield f"{scan.stem}_z{number:03d}", sample


def read_volumes(scan: Scan, lesion_labels: tuple[int, ...] = ()) -> list[Sample]:
    """Read a scan of NIfTI files: its axial slices as displayed, from the feet to the head.

    Raises
    ------
    ValueError : see `training.volumes`.
    """
    volume = read_volume(scan.image)
    gray = to_gray(volume.values, scan.image.name)
    lesion = to_mask(_read_mask_volume(scan.mask, volume), scan.mask.name, wanted=lesion_labels)
    if scan.lung is None:
        return [Sample(*arrays, None) for arrays in zip(gray, lesion, strict=True)]
    # Left and right lung often have labels of their own; both are lung.
    lung = to_mask(_read_mask_volume(scan.lung, volume) != 0, scan.lung.name)
    return [Sample(*arrays) for arrays in zip(gray, lesion, lung, strict=True)]


def _read_mask_volume(path: Path, scan: Volume) -> NDArray[np.float32]:
    mask = read_volume(path)
    check_grid(scan, mask, path.name)
    return mask.values


def read_pictures(scan: Scan, lesion_labels: tuple[int, ...] = ()) -> Sample:
    """Read a single picture with its masks.

    Raises
    ------
    ValueError : a picture is not of 8 bit, a mask has several labels, or its height or width are not the scan's.
    """
    image = _read_8_bit(scan.image)
    lesion = to_mask(_read_8_bit(scan.mask), scan.mask.name, wanted=lesion_labels)
    lung = None if scan.lung is None else to_mask(_read_8_bit(scan.lung) != 0, scan.lung.name)
    for path, mask in ((scan.mask, lesion), (scan.lung, lung)):
        if mask is not None and mask.shape != image.shape:
            raise ValueError(f"{path}: the mask is {mask.shape} (height, width), the scan {image.shape}: resample it")
    return Sample(image, lesion, lung)


def _read_8_bit(path: Path) -> ByteImage:
    """Read a picture as (H, W) uint8; colours become gray."""
    depth = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH)
    if depth is not None and depth.dtype != np.uint8:
        raise ValueError(f"{path} is {depth.dtype}, not 8 bit: map its values to 0 ... 255 first")
    return read_gray(path)


def _write_slice(out: Path, name: str, sample: Sample) -> dict[str, object]:
    """Write one slice as PNG; return its part of the manifest's line."""
    lung = "" if sample.lung is None else _write_png(out, Path("lungs") / f"{name}.png", sample.lung)
    return {
        "image": _write_png(out, Path("images") / f"{name}.png", sample.image),
        "mask": _write_png(out, Path("masks") / f"{name}.png", sample.lesion),
        "lung": lung,
        "lesion_px": int(np.count_nonzero(sample.lesion)),
        "mask_resolution": max(sample.lesion.shape),
    }


def _write_png(out: Path, relative: Path, image: ByteImage) -> str:
    """Write a picture without loss; return its path as the manifest has it."""
    file = out / relative
    file.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".png", image)
    file.write_bytes(bytes(encoded))
    return relative.as_posix()


def _write_manifest(manifest: Path, lines: Sequence[dict[str, object]]) -> None:
    with manifest.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(lines)
    log.info("%d slices in %s", len(lines), manifest)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and prepare; what is wrong with the files goes to standard error, with status 1."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        scans = pair(options.scans, options.masks, options.lungs, suffixes=SUFFIXES[options.kind])
        labels = tuple(options.lesion_labels)
        prepare(
            options.kind, scans, _patients(options, scans), options.out, source=options.source, lesion_labels=labels
        )
    except (ValueError, OSError) as exc:
        parser.exit(1, f"{exc}\n")


def _patients(options: argparse.Namespace, scans: Sequence[Scan]) -> dict[str, Patient]:
    stems = [scan.stem for scan in scans]
    if options.patients:
        return read_patients(options.patients, stems)
    return draw_patients(stems, validation_share=options.validation_share, rng=np.random.default_rng(options.seed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.prepare", description="Make slices and a manifest.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, suffixes in SUFFIXES.items():
        command = kinds.add_parser(kind, help=f"files that end in {', '.join(suffixes)}")
        command.add_argument("--scans", type=Path, required=True, help="folder of the scans")
        command.add_argument("--masks", type=Path, required=True, help="folder of the lesion masks")
        command.add_argument("--lungs", type=Path, help="folder of the lung masks; some or all may be missing")
        command.add_argument("--out", type=Path, required=True, help="folder to write")
        command.add_argument("--source", required=True, help="name of the collection")
        command.add_argument("--lesion-labels", type=int, nargs="+", default=[], help="default: the only one but 0")
        command.add_argument("--patients", type=Path, help="CSV: stem, patient, split; default: each scan a patient")
        command.add_argument("--validation-share", type=float, default=0.2, help="of patients (default: %(default)s)")
        command.add_argument("--seed", type=int, default=0, help="of the drawn split (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()
