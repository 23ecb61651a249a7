"""Small volumes as programs and browsers send them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import cv2
import nibabel
import numpy as np
from numpy.typing import NDArray

from model.phantom import EXAMPLES, draw_phantom

SIDE = 128
SPACING_MM = (2.5, 2.5, 8.0)
"""Of a column, a row and a slice."""


def hounsfield(*kinds: str) -> NDArray[np.float32]:
    """(slices, SIDE, SIDE) as displayed, a phantom from model.phantom.EXAMPLES for each slice from the feet up."""
    gray = [cv2.resize(draw_phantom(EXAMPLES[kind]), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for kind in kinds]
    return np.stack(gray).astype(np.float32) / 255.0 * 1500.0 - 1250.0


def nifti(*kinds: str, spacing_mm: tuple[float, float, float] = SPACING_MM) -> bytes:
    """A NIfTI file of such slices, stored in the order left, back, head: as displayed."""
    voxels = hounsfield(*kinds).transpose(2, 1, 0).astype(np.int16)
    affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
    return bytes(nibabel.Nifti1Image(voxels, affine).to_bytes())


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file with such members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
