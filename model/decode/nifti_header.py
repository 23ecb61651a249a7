"""The header of a NIfTI file, before nibabel mends it: what it claims is held against the file."""

from __future__ import annotations

import math
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from model.decode.dicom import PIXEL_MM
from model.decode.kinds import SourceFile
from model.errors import DamagedImage, NotCt

MAX_EXTENSION_MB = 10
"""How much may lie between the header and the voxels, in millions of bytes."""


def class_of(source: SourceFile) -> Any:
    """Return nibabel's class for a file."""
    return nibabel.Nifti2Image if source.head()[4:7] == b"n+2" else nibabel.Nifti1Image


def claimed_header(source: SourceFile, kind: Any) -> Any:
    """Return the header as it stands, before nibabel mends it, and hold it against the file.

    Raises
    ------
    NotCt : it is no volume of gray values. DamagedImage : the file has fewer bytes than the header says.
    """
    with source.path.open("rb") as file:
        header = kind.header_class(file.read(kind.header_class.sizeof_hdr), check=False)
    shape, dtype = shape_of(header), header.get_data_dtype()
    if dtype.kind not in "iuf":
        values = "colours" if dtype.names else f"{dtype.name} values"
        raise NotCt(f"This NIfTI file holds {values}, not gray ones. Upload the CT itself.")
    offset, size = int(header["vox_offset"]), source.path.stat().st_size
    # nibabel makes room for all that a header claims, and an object of all that lies before the voxels.
    needed = offset + math.prod(shape) * dtype.itemsize
    if needed > size or offset > MAX_EXTENSION_MB * 1_000_000:
        raise DamagedImage(
            f"By its header ({' × '.join(map(str, shape))} voxels) this NIfTI file has {needed:,} bytes, but there are "
            f"{size:,}: it is damaged or was cut short. Send it again."
        )
    return header


def shape_of(header: Any) -> tuple[int, int, int]:
    """Return the length of the three axes.

    Raises
    ------
    NotCt : there are more axes than three, or an axis without a length.
    """
    shape = tuple(int(length) for length in header.get_data_shape())
    if not 2 <= len(shape) or any(length != 1 for length in shape[3:]) or min(shape) < 1:
        raise NotCt(
            f"This NIfTI file has the dimensions {' × '.join(map(str, shape))}. Upload one volume of three "
            "dimensions; of a time series, one point in time."
        )
    return shape[0], shape[1], (shape[2] if len(shape) > 2 else 1)


def spans_space(affine: NDArray[np.float64]) -> bool:
    """Whether the three axes go in three directions."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(sizes.min() > 1e-6 and abs(np.linalg.det(affine[:3, :3] / sizes)) > 0.01)


def is_spacing(affine: NDArray[np.float64], claimed: Any, codes: tuple[int, int]) -> bool:
    """Whether the file states the size of a voxel, and one that can be."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    is_stated = codes[0] > 0 or np.abs(np.asarray(claimed["pixdim"][1:4], np.float64)).min() > 0.0
    return bool(is_stated and sizes.min() >= PIXEL_MM[0] and sizes.max() <= PIXEL_MM[1])
