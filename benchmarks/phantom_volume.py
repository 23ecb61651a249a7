"""A CT volume that is drawn, as a NIfTI file."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from model.phantom import EXAMPLES, SIZE, draw_phantom
from model.preprocess import WINDOW_HU

ALIKE = 10
"""So many slices follow one another with one drawing: lesions go through several slices, as in a chest."""

SPACING_MM = (0.7, 0.7, 1.0)


def write_volume(file: Path, slices: int) -> None:
    """Write (SIZE, SIZE, slices) int16 in Hounsfield units: no lesion, one, several, by turns, and other vessels each.

    Of each three drawings one has no lesion, one has one, one has several.
    """
    low, high = WINDOW_HU
    drawings, kinds = {}, list(EXAMPLES)
    # Stored as it is displayed; left, back and head grow along the axes.
    affine = np.diag([*(-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2]), 1.0])
    voxels = np.empty((SIZE, SIZE, slices), np.int16, order="F")
    for number in range(slices):
        # After thirty drawings they come again.
        drawing = number // ALIKE % 30
        if drawing not in drawings:
            gray = draw_phantom(EXAMPLES[kinds[drawing % len(kinds)]], seed=drawing)
            drawings[drawing] = np.rint(gray.T / 255.0 * (high - low) + low).astype(np.int16)
        voxels[..., number] = drawings[drawing]
    nibabel.save(nibabel.Nifti1Image(voxels, affine), file)
