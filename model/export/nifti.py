"""Masks and probabilities of a volume -> NIfTI, on the grid of the NIfTI file that came in, or as displayed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray

from model.decode.ct import Affine, CtVolume
from model.decode.nifti import BETWEEN_FRAMES, DISPLAYED, Form, NiftiGrid
from model.export.planes import planes
from model.steps import STEPS
from model.volume.files import SliceFiles

_SCANNER, _UNKNOWN = 1, 0


@dataclass(frozen=True)
class Target:
    """Where voxels go: the volume as displayed, and the stored grid if the input was NIfTI.

    warning : what the header says of the file, 79 letters at the most.
    """

    volume: CtVolume
    grid: NiftiGrid | None
    warning: str = ""

    def planes(self) -> tuple[int, ...]:
        """Return which slice each plane of the file holds, from the feet to the head."""
        return tuple(range(len(self.volume))) if self.grid is not None else planes(self.volume)


def write_mask(files: SliceFiles, target: Target, path: Path, *, threshold: float) -> None:
    """Write the lesion mask as .nii.gz: uint8, 1 where the probability reaches the threshold."""
    _write(lambda number: files.lesion(number, threshold).astype(np.uint8), np.dtype(np.uint8), target, path)


def write_probability(files: SliceFiles, target: Target, path: Path) -> None:
    """Write the lesion probability as .nii.gz: 0.0 ... 1.0, stored as uint16 with a slope of 1/65535."""
    _write(files.steps, np.dtype(np.uint16), target, path, slope=1.0 / STEPS)


def _write(
    read: Callable[[int], NDArray[Any]], dtype: np.dtype[Any], target: Target, path: Path, *, slope: float = 1.0
) -> None:
    """Write slices, each (H, W) as displayed, slab by slab: the volume is never in memory as a whole."""
    _, height, width = target.volume.shape
    numbers = target.planes()
    scratch = path.with_suffix(".voxels")
    try:
        displayed = np.memmap(scratch, dtype, "w+", shape=(width, height, len(numbers)), order="F")
        for plane, number in enumerate(numbers):
            displayed[:, :, plane] = read(number).T
        voxels, forms = _on_grid(displayed, target)
        # The level that nibabel itself compresses with: masks shrink to little by any.
        with gzip.open(path, "wb", compresslevel=1) as stream:
            stream.write(_header(voxels.shape, dtype, forms, slope, target.warning))
            for number in range(voxels.shape[2]):
                stream.write(np.asarray(voxels[:, :, number]).tobytes(order="F"))
    finally:
        scratch.unlink(missing_ok=True)


def _on_grid(displayed: NDArray[Any], target: Target) -> tuple[NDArray[Any], tuple[Form, Form]]:
    """Return voxels, sform and qform as the file is to have them."""
    if target.grid is not None:
        turn = ornt_transform(DISPLAYED, io_orientation(target.grid.affine))
        return np.asanyarray(apply_orientation(displayed, turn)), (target.grid.sform, target.grid.qform)
    form = Form(np.eye(4), _UNKNOWN)
    if target.volume.affine is not None:
        form = Form(BETWEEN_FRAMES @ _stretched(target.volume.affine, len(target.volume), displayed.shape[2]), _SCANNER)
    return displayed, (form, form)


def _stretched(affine: Affine, slices: int, count: int) -> Affine:
    """Return the affine of so many planes over the same height as the slices."""
    stretched = affine.copy()
    stretched[:3, 2] *= (slices - 1) / (count - 1) if count > 1 else 1.0
    return stretched


def _header(
    shape: tuple[int, ...], dtype: np.dtype[Any], forms: tuple[Form, Form], slope: float, warning: str
) -> bytes:
    """Return all that stands before the voxels of a NIfTI-1 file."""
    header: Any = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    sform, qform = forms
    # Before the sform, since it sets the spacing. A quaternion holds no shear, as a tilted gantry gives; the sform,
    # which readers prefer, does.
    header.set_qform(qform.affine, code=qform.code, strip_shears=True)
    header.set_sform(sform.affine, code=sform.code)
    header["scl_slope"], header["scl_inter"] = slope, 0.0
    header["descrip"] = warning.encode()
    header["magic"], header["vox_offset"] = b"n+1", 352
    # Without a code the place and size of the voxels are made up: no unit, so that nobody takes them for millimetres.
    header.set_xyzt_units("mm" if sform.code or qform.code else "unknown")
    return bytes(header.binaryblock) + bytes(4)
