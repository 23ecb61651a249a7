"""What the values of a NIfTI file are: its header does not say whether they are Hounsfield units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.decode.dicom import AIR_AT_MOST_HU
from model.errors import NotCt
from model.preprocess import WINDOW_HU

TISSUE_AT_LEAST_HU = 0.0
HU_LIMITS = (-32768.0, 32767.0)

NO_NUMBERS = "Some values are no numbers, or infinite; air, or what is brightest, was taken in their place."

_AIR_HU = -1024.0


def judged(low: float, high: float) -> tuple[tuple[float, float], list[str]]:
    """Tell Hounsfield units from gray values, by the lowest and the highest; return black and white, and notes.

    Raises
    ------
    NotCt : the values are neither.
    """
    if HU_LIMITS[0] <= low <= AIR_AT_MOST_HU and TISSUE_AT_LEAST_HU <= high <= HU_LIMITS[1]:
        return WINDOW_HU, []
    if 0.0 <= low and high <= 255.0 and high - low > 1.0:
        sentence = "The values lie between 0 and 255: they are no Hounsfield units and were read as gray values."
        return (0.0, 255.0), [sentence]
    raise NotCt(
        f"The values of this volume go from {low:g} to {high:g}: no Hounsfield units of a chest (air is -1000, "
        "water 0), and no gray values of 0 to 255. Store it with the scanner's slope and intercept."
    )


def in_numbers(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values, any shape; what is no number becomes air, and what is infinite the end of its side."""
    return np.nan_to_num(values, nan=_AIR_HU, posinf=HU_LIMITS[1], neginf=_AIR_HU)
