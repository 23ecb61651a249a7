"""Masks and probabilities of a volume -> NIfTI, on the grid of the NIfTI file that came in, or as displayed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
from isal import igzip
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray

from model.decode.ct import Affine, CtVolume
from model.decode.nifti import BETWEEN_FRAMES, DISPLAYED, Form, NiftiGrid
from model.export.planes import planes
from model.steps import STEPS
from model.volume.files import SliceFiles

_SCANNER, _UNKNOWN = 1, 0
_AT_ONCE = 1 << 20

Read = Callable[[int], NDArray[Any]]


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


def _write(read: Read, dtype: np.dtype[Any], target: Target, path: Path, *, slope: float = 1.0) -> None:
    """Write slices, each (H, W) as displayed, slab by slab: the volume is never in memory as a whole."""
    numbers = target.planes()
    shape, forms, turn = _on_grid(target, len(numbers))
    # Of 0 to 3, in a quarter of the time that zlib takes for its first level; masks shrink to little by any.
    with igzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(_header(shape, dtype, forms, slope, target.warning))
        if turn[:, 0].tolist() == [0, 1, 2]:
            _write_slices(read, numbers, turn, stream)
        else:
            _write_turned(read, numbers, turn, stream, dtype, target, path.with_suffix(".voxels"))


def _on_grid(target: Target, planes: int) -> tuple[tuple[int, ...], tuple[Form, Form], NDArray[Any]]:
    """Return the shape, sform and qform that the file is to have, and how displayed voxels are turned to come there."""
    _, height, width = target.volume.shape
    displayed = (width, height, planes)
    if target.grid is not None:
        turn = ornt_transform(DISPLAYED, io_orientation(target.grid.affine))
        shape = tuple(int(displayed[axis]) for axis in np.argsort(turn[:, 0]))
        return shape, (target.grid.sform, target.grid.qform), turn
    form = Form(np.eye(4), _UNKNOWN)
    if target.volume.affine is not None:
        form = Form(BETWEEN_FRAMES @ _stretched(target.volume.affine, len(target.volume), planes), _SCANNER)
    return displayed, (form, form), ornt_transform(DISPLAYED, DISPLAYED)


def _write_slices(read: Read, numbers: Sequence[int], turn: NDArray[Any], stream: IO[bytes]) -> None:
    """Write slices as they come, where the file has them as they are displayed, but for the direction of axes."""
    columns, rows, planes = (slice(None, None, int(direction)) for direction in turn[:, 1])
    for number in numbers[planes]:
        stream.write(read(number)[rows, columns].tobytes())


def _write_turned(
    read: Read,
    numbers: Sequence[int],
    turn: NDArray[Any],
    stream: IO[bytes],
    dtype: np.dtype[Any],
    target: Target,
    scratch: Path,
) -> None:
    """Write slices where planes of the file go through several of them, by way of a file that holds them all."""
    _, height, width = target.volume.shape
    try:
        shape = width, height, len(numbers)
        _make_room(scratch, int(np.prod(shape)) * dtype.itemsize)
        displayed = np.memmap(scratch, dtype, "r+", shape=shape, order="F")
        for plane, number in enumerate(numbers):
            displayed[:, :, plane] = read(number).T
        voxels = np.asanyarray(apply_orientation(displayed, turn))
        for number in range(voxels.shape[2]):
            stream.write(np.asarray(voxels[:, :, number]).tobytes(order="F"))
    finally:
        scratch.unlink(missing_ok=True)


def _make_room(file: Path, size: int) -> None:
    """Make a file of so many bytes, which the disk has; raises OSError where it has not.

    Writing into a mapped file for which there is no room ends the process.
    """
    with file.open("wb") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        else:
            # macOS: as many zeros, written.
            for start in range(0, size, _AT_ONCE):
                stream.write(bytes(min(_AT_ONCE, size - start)))


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
