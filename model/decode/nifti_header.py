"""The header of a NIfTI file, before nibabel mends it: what it claims is held against the file."""

from __future__ import annotations

import math
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from model.decode.ct import SLICE_MM, Affine
from model.decode.dicom import PIXEL_MM
from model.decode.kinds import SourceFile
from model.errors import DamagedImage, NotCt

MAX_EXTENSION_MB = 10
"""How much may lie between the header and the voxels, in millions of bytes."""

_UNIT_OF_SPACE = 0b111
"""The bits of xyzt_units that say what distances are counted in; the others are of time."""

_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""Metres and micrometres, by their codes; 2 is millimetres, and 0 says nothing."""


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


def is_spacing(affine: Affine, claimed: Any, codes: tuple[int, int]) -> bool:
    """Whether the file states the size of a voxel, and one that can be. affine : in mm, three directions."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    is_stated = codes[0] > 0 or np.abs(np.asarray(claimed["pixdim"][1:4], np.float64)).min() > 0.0
    # Which of the stored axes goes to the head.
    along = int(np.argmax(io_orientation(affine)[:, 0] == 2))
    pixels = np.delete(sizes, along)
    is_pixel = pixels.min() >= PIXEL_MM[0] and pixels.max() <= PIXEL_MM[1]
    return bool(is_stated and is_pixel and SLICE_MM[0] <= sizes[along] <= SLICE_MM[1])


def in_mm(affine: Any, header: Any) -> Affine:
    """Return an affine of a header in mm: (4, 4), by the unit that the header states; without one it counts mm."""
    scale = _MILLIMETRES.get(int(header["xyzt_units"]) & _UNIT_OF_SPACE, 1.0)
    return np.diag([scale, scale, scale, 1.0]) @ np.asarray(affine, np.float64)


def contradiction(header: Any) -> str:
    """Return a sentence where sform and qform, both coded, turn the patient differently; else an empty text."""
    forms = (header.get_sform(coded=True)[0], header.get_qform(coded=True)[0])
    if any(form is None or not np.isfinite(form).all() or not spans_space(form) for form in forms):
        return ""
    one, other = ("".join(nibabel.aff2axcodes(form)) for form in forms)
    if one == other:
        return ""
    return (
        f"The header contradicts itself: its axes go to {one} by the sform and to {other} by the qform, so right and "
        "left are not told apart and the picture may be mirrored."
    )
