"""Probabilities -> masks and measurements. Pure functions; a length or area in mm is None where spacing is unknown."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Mask = NDArray[np.bool_]

LUNG_THRESHOLD = 0.5
"""Probability from which a pixel counts as lung. Fixed: the user's threshold is about lesions."""

GROUND_GLASS_BELOW_HU = -300.0
"""Lesion pixels below are ground glass, the others consolidation: above it, vessels no longer shine through."""


@dataclass(frozen=True)
class Findings:
    """What one slice shows at one threshold. Areas in pixels of the slice, shares in percent.

    The lung is what the network marks as lung or as lesion, so that a lesion is always a part of it; the lung
    figures are None where the network has no lung channel, the share also where it found no lung. What is measured
    in mm or in Hounsfield units is None where the file states neither.
    """

    threshold: float
    height_px: int
    width_px: int
    lesion_area_px: int
    lesion_percent_of_image: float
    lesion_count: int
    largest_lesion_px: int
    highest_probability: float
    lung_area_px: int | None
    lesion_percent_of_lung: float | None
    hounsfield: bool = False  # whether the slice came in Hounsfield units, not as a picture
    lesion_area_mm2: float | None = None
    lung_area_mm2: float | None = None
    lesion_mean_hu: float | None = None
    ground_glass_percent: float | None = None  # of the lesion area; the rest is consolidation

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the figures by name, for JSON and CSV."""
        return asdict(self)


def lesion_mask(probability: FloatArray, threshold: float) -> Mask:
    """Return (H, W) bool: where the lesion probability, (H, W) float32, is at or above the threshold."""
    return probability >= np.float32(threshold)


def measure(
    lesion: FloatArray,
    lung: FloatArray | None,
    *,
    threshold: float,
    spacing_mm: tuple[float, float] | None = None,
    hounsfield: FloatArray | None = None,
) -> Findings:
    """Measure the lesions of one slice.

    Parameters
    ----------
    lesion : (H, W) float32 probability in 0.0 ... 1.0, at the slice's own height and width.
    lung : the same for the lung, or None where the network has no such channel.
    threshold : probability from which a pixel is lesion, above 0 and below 1.
    spacing_mm : height and width of a pixel, None where unknown.
    hounsfield : (H, W) float32, the slice in Hounsfield units; None where it has none.

    Raises
    ------
    ValueError : the shapes differ or are not (H, W), or the threshold is out of range.
    """
    _check(lesion, lung, threshold)
    mask = lesion_mask(lesion, threshold)
    area = int(np.count_nonzero(mask))
    areas = lesion_areas(mask)
    lung_area = None if lung is None else int(np.count_nonzero(lung_mask(lung, mask)))
    pixel_mm2 = None if spacing_mm is None else spacing_mm[0] * spacing_mm[1]
    densities = None if hounsfield is None or not area else hounsfield[mask]
    return Findings(
        threshold=threshold,
        height_px=mask.shape[0],
        width_px=mask.shape[1],
        lesion_area_px=area,
        lesion_percent_of_image=100.0 * area / mask.size,
        lesion_count=len(areas),
        largest_lesion_px=max(areas, default=0),
        highest_probability=float(lesion.max()),
        lung_area_px=lung_area,
        lesion_percent_of_lung=100.0 * area / lung_area if lung_area else None,
        hounsfield=hounsfield is not None,
        lesion_area_mm2=None if pixel_mm2 is None else area * pixel_mm2,
        lung_area_mm2=None if pixel_mm2 is None or lung_area is None else lung_area * pixel_mm2,
        lesion_mean_hu=None if densities is None else float(densities.mean()),
        ground_glass_percent=None if densities is None else 100.0 * float(np.mean(densities < GROUND_GLASS_BELOW_HU)),
    )


def lung_mask(lung: FloatArray, lesion: Mask) -> Mask:
    """Return (H, W) bool: the lung, lesions being a part of it.

    lung : (H, W) float32 probability. lesion : (H, W) bool.
    """
    return lesion | (lung >= LUNG_THRESHOLD)


def lesion_areas(mask: Mask) -> list[int]:
    """Return the area in pixels of each lesion: each region of True pixels that touch by side or corner.

    >>> lesion_areas(np.array([[True, False, False], [False, True, False], [False, False, False]]))
    [2]
    """
    # Elsewhere there is nothing to be labelled.
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    box = mask[top : top + height, left : left + width]
    if not box.size:
        return []
    _, _, stats, _ = cv2.connectedComponentsWithStats(box.astype(np.uint8), connectivity=8)
    # The first row is the background.
    return [int(area) for area in stats[1:, cv2.CC_STAT_AREA]]


def _check(lesion: FloatArray, lung: FloatArray | None, threshold: float) -> None:
    if lesion.ndim != 2 or lesion.size == 0:
        raise ValueError(f"lesion must be (H, W) and not empty, got shape {lesion.shape}")
    if lung is not None and lung.shape != lesion.shape:
        raise ValueError(f"lung {lung.shape} and lesion {lesion.shape} differ in shape")
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold must be above 0 and below 1, got {threshold}")
