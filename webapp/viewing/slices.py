"""A slice that was read, as it is kept -> measured and drawn as it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.findings import Mask, lesion_mask, measure
from model.overlay import RgbImage, heat_map, mark_sides, overlay
from model.png import decode_png, encode_png
from model.recognise.judge import Recognition
from model.steps import to_probability
from model.volume.files import SliceFiles
from model.warning import label_rows, warned
from webapp.results import ResultStore, current_results
from webapp.viewing.drawing import current_drawing
from webapp.viewing.view import ViewState

DRAWN = ("overlay", "mask", "heat")
"""The pictures that depend on how a slice is looked at."""


@dataclass(frozen=True)
class KeptSlice:
    """gray : (H, W) uint8. probability : (H, W) float32 in 0.0 ... 1.0. lung : (H, W) bool, None where unknown."""

    gray: NDArray[np.uint8]
    probability: NDArray[np.float32]
    lung: Mask | None

    def measurements(self, threshold: float) -> dict[str, Any]:
        """Return the figures of `model.findings.Findings` by name; a slice kept alone states no spacing and no HU."""
        lung = None if self.lung is None else self.lung.astype(np.float32)
        return measure(self.probability, lung, threshold=threshold).as_dict()

    def draw(
        self, kind: str, state: ViewState, recognition: Recognition | None, *, bar: bool, sides: bool = False
    ) -> bytes:
        """Return one of DRAWN as PNG, with what is to be known of what the slice looks like.

        bar, sides : whether the overlay has a colour bar, and R and L at its edges.
        """
        if kind == "mask":
            png = encode_png(lesion_mask(self.probability, state.threshold).astype(np.uint8) * 255)
        else:
            top = label_rows(self.gray.shape, recognition)
            png = encode_png(self._coloured(kind, state, bar=bar, sides=sides, top=top))
        return warned(png, recognition)

    def _coloured(self, kind: str, state: ViewState, *, bar: bool, sides: bool, top: int) -> RgbImage:
        if kind == "heat":
            return heat_map(self.probability, state.style.colours)
        image = overlay(self.gray, self.probability, threshold=state.threshold, bar=bar, style=state.style, top=top)
        if sides:
            mark_sides(image)
        return image


def recognition_in(details: Mapping[str, Any]) -> Recognition | None:
    """Return what a result looks like, from its details; None where nobody asked."""
    kept = details.get("recognition")
    return Recognition(**kept) if kept else None


def kept_alone(store: ResultStore, result_id: str) -> KeptSlice | None:
    """Return the slice that is a result by itself; None where it has expired."""
    original, probability, lung = (store.picture(result_id, name) for name in ("original", "probability", "lung"))
    if original is None or probability is None:
        return None
    return KeptSlice(
        np.asarray(decode_png(original), np.uint8),
        to_probability(np.asarray(decode_png(probability), np.uint16)),
        None if lung is None else decode_png(lung) > 0,
    )


def measured_alone(kept: KeptSlice, details: Mapping[str, Any], state: ViewState) -> dict[str, Any]:
    """Return the figures of a slice that is a result by itself, at the threshold of a view.

    details : of its result, which has them as they were read.
    """
    as_read: dict[str, Any] = details["measurements"]
    if not state.is_moved:
        return as_read
    # The probability is that of the network; kept, it is rounded.
    return kept.measurements(state.threshold) | {"highest_probability": as_read["highest_probability"]}


def drawn_alone(result_id: str, details: Mapping[str, Any], kind: str, state: ViewState, *, bar: bool) -> bytes | None:
    """Return one of DRAWN of the slice that is a result by itself, as PNG; None where it has expired.

    Raises
    ------
    Busy : too much is being drawn.
    """
    with current_drawing().of(details):
        kept = kept_alone(current_results(), result_id)
        return None if kept is None else kept.draw(kind, state, recognition_in(details), bar=bar)


def kept_in_volume(files: SliceFiles, number: int) -> KeptSlice:
    """Return a slice of a volume, counted from 0."""
    return KeptSlice(files.gray(number), files.probability(number), files.lung(number))


def sides_known(details: dict[str, Any]) -> bool:
    """Whether the patient's right and left are known; where nothing tells, whether the lungs were told apart."""
    return bool(details.get("sides_known", details["volume"]["right"] is not None))
