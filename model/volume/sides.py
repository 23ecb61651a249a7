"""Lung masks -> the patient's right and left lung. The patient's right lies on the left of a displayed slice."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from model.findings import Mask

Counts = NDArray[np.int64]

DIP_AT_MOST = 0.6
"""How deep the columns between two lungs must dip, as a share of the lower of both peaks."""

WHOLE_FROM = 0.85
"""A piece of lung with this share on one side belongs there whole: a lung reaches over the midline in front."""

SEARCH = 0.06
"""Of the width: how far from the midline a piece that joins both lungs may be cut."""


def find_midline(columns: Counts) -> int | None:
    """Return the column between the lungs; None where there are no two lungs side by side.

    Parameters
    ----------
    columns : (W,), how many pixels of lung lie in each column, of all slices together.
    """
    total = int(columns.sum())
    if total == 0:
        return None
    smooth = _smoothed(columns)
    cumulated = np.cumsum(columns) / total
    # Of two lungs the smaller holds a good third of the volume, with room to spare for a shrunken one.
    first, last = int(np.searchsorted(cumulated, 0.2)), int(np.searchsorted(cumulated, 0.8))
    if last <= first:
        return None
    midline = first + int(np.argmin(smooth[first : last + 1]))
    peak = min(float(smooth[:midline].max(initial=0.0)), float(smooth[midline:].max(initial=0.0)))
    return midline if smooth[midline] <= DIP_AT_MOST * peak else None


def _smoothed(columns: Counts) -> NDArray[np.float64]:
    width = max(1, columns.size // 64)
    return np.convolve(columns.astype(np.float64), np.ones(width) / width, mode="same")


def right_lung(lung: Mask, midline: int) -> Mask:
    """Return (H, W) bool: the part of the lung that is the patient's right.

    Parameters
    ----------
    lung : (H, W) bool, as displayed.
    midline : the column between the lungs, see `find_midline`.
    """
    right = np.zeros(lung.shape, np.bool_)
    count, labels = cv2.connectedComponents(lung.astype(np.uint8), connectivity=4)
    for label in range(1, count):
        piece = labels == label
        share = np.count_nonzero(piece[:, :midline]) / np.count_nonzero(piece)
        if share >= WHOLE_FROM:
            right |= piece
        elif share > 1.0 - WHOLE_FROM:
            cut = _thinnest(piece, midline)
            right[:, :cut] |= piece[:, :cut]
    return right


def _thinnest(piece: Mask, midline: int) -> int:
    """Return the column near the midline in which a piece has the fewest pixels."""
    reach = max(1, round(SEARCH * piece.shape[1]))
    first = max(0, midline - reach)
    heights = np.count_nonzero(piece[:, first : midline + reach + 1], axis=0)
    return int(first + np.argmin(heights))
