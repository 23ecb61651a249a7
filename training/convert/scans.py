"""The files of one scan -> its slices with their masks, as they are displayed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.convert.dicom import read_series
from training.convert.pairing import Scan
from training.convert.volumes import Volume, check_grid, read_volume, to_gray, to_mask
from training.data.dataset import read_gray
from training.data.sample import Sample
from training.data.strokes import ByteImage


def read_volumes(scan: Scan, lesion_labels: tuple[int, ...] = ()) -> list[Sample]:
    """Read a scan, a NIfTI file or a folder with a DICOM series, with its masks, NIfTI files.

    Returns
    -------
    Its axial slices as displayed, from the feet to the head.

    Raises
    ------
    ValueError : see `training.convert.volumes` and `training.convert.dicom`.
    """
    volume = read_series(scan.image) if scan.image.is_dir() else read_volume(scan.image)
    gray = to_gray(volume.values, scan.image.name)
    lesion = to_mask(_read_mask_volume(scan.mask, volume), scan.mask.name, wanted=lesion_labels)
    if scan.lung is None:
        return [Sample(*arrays, None) for arrays in zip(gray, lesion, strict=True)]
    # Left and right lung often have labels of their own; both are lung.
    lung = to_mask(_read_mask_volume(scan.lung, volume) != 0, scan.lung.name)
    return [Sample(*arrays) for arrays in zip(gray, lesion, lung, strict=True)]


def _read_mask_volume(path: Path, scan: Volume) -> NDArray[np.float32]:
    mask = read_volume(path, labels=True)
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
