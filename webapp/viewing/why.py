"""Blueprint: which parts of a slice made the network call a lesion, as a picture, on request."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

import numpy as np
from flask import Blueprint, Response, abort, current_app, make_response, request
from numpy.typing import NDArray

from model.errors import Busy
from model.explain.draw import explanation_png
from model.explain.seg_grad_cam import Explainer, explain_call
from model.findings import Mask, lesion_mask
from model.volume.files import SliceFiles
from model.warning import warned
from webapp.jobs.store import SLICES
from webapp.results import current_results
from webapp.settings import Settings
from webapp.viewing.drawing import current_drawing
from webapp.viewing.explainable import require_call, require_same_network
from webapp.viewing.options import ViewOptions
from webapp.viewing.slices import KeptSlice, kept_alone, kept_in_volume, recognition_in, sides_known
from webapp.viewing.view import view_as

blueprint = Blueprint("why", __name__)

EXTENSION = "groundglass-why"

AT_ONCE = 2
"""So many requests of one process wait for a map or compute it: the other two of its threads stay free."""

RETRY_AFTER_S = 2

ByteImage = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


@lru_cache(maxsize=1)
def _load(weights: Path, threads: int) -> Explainer:
    """Load what explains; kept for the next app of this process, like its networks."""
    return Explainer(weights, threads=threads)


class Explanations:
    """The explainer of one process, loaded when first asked for and kept; it makes one map at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._explainer: Explainer | None = None
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()

    def explain(self, gray: ByteImage, called: Mask, spacing_mm: tuple[float, float] | None) -> FloatArray:
        """Return a map, (H, W) float32 in 0.0 ... 1.0; parameters as in `model.explain.seg_grad_cam.explain_call`.

        Raises
        ------
        Unexplained : the network cannot be explained, or the map is empty.
        Busy : other maps are computed and waited for.
        """
        with self._place(), self._lock:
            if self._explainer is None:
                self._explainer = _load(self._settings.weights, self._settings.threads)
            return explain_call(self._explainer, gray, called, spacing_mm=spacing_mm)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Busy("Other explanations are being computed. Try again in a moment.", retry_after_s=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._places.release()


@blueprint.get("/results/<result_id>/why.png")
def explanation(result_id: str) -> Response:
    """Send which parts of a slice raised the score of what is called in it, as a picture."""
    results = current_results()
    details = results.details(result_id)
    if details is None or "measurements" not in details:
        abort(HTTPStatus.NOT_FOUND)
    options = ViewOptions.of_address(request.args)
    with current_drawing().of(details):
        kept = kept_alone(results, result_id)
    if kept is None:
        abort(HTTPStatus.NOT_FOUND)
    require_same_network(details)
    png = _draw(kept, view_as(options, details["measurements"]["threshold"]).threshold, legend=options.download)
    return _answer(warned(png, recognition_in(details)), f"groundglass-{result_id[:6]}-why.png", options)


@blueprint.get("/results/<result_id>/slices/<int:number>/why.png")
def slice_explanation(result_id: str, number: int) -> Response:
    """Send the same of one slice of a volume, counted from 1 at the feet."""
    details, folder = current_results().details(result_id), current_results().folder_of(result_id)
    if details is None or folder is None or not 1 <= number <= len(details.get("slices", ())):
        abort(HTTPStatus.NOT_FOUND)
    options = ViewOptions.of_address(request.args)
    require_same_network(details)
    with current_drawing().of(details):
        kept = kept_in_volume(SliceFiles(folder / SLICES), number - 1)
    png = _draw(
        kept,
        view_as(options, details["volume"]["threshold"]).threshold,
        legend=options.download,
        spacing_mm=details["spacing_mm"],
        sides=sides_known(details),
    )
    name = f"groundglass-{result_id[:6]}-{number:04d}-why.png"
    return _answer(warned(png, recognition_in(details)), name, options)


def _draw(
    kept: KeptSlice,
    threshold: float,
    *,
    legend: bool,
    spacing_mm: Sequence[float] | None = None,
    sides: bool = False,
) -> bytes:
    called = lesion_mask(kept.probability, threshold)
    require_call(called=bool(called.any()), threshold=threshold)
    explanations: Explanations = current_app.extensions[EXTENSION]
    found = explanations.explain(kept.gray, called, (spacing_mm[0], spacing_mm[1]) if spacing_mm else None)
    return explanation_png(kept.gray, found, called, legend=legend, sides_known=sides)


def _answer(png: bytes, name: str, options: ViewOptions) -> Response:
    response = make_response(png)
    response.content_type = "image/png"
    if options.download:
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
