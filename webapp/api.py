"""Blueprint: POST /predict for programs, and health."""

from __future__ import annotations

import base64

from flask import Blueprint, Response, jsonify, make_response, request

from model.errors import InvalidOption
from model.overlay import PICTURES, render_pictures
from model.segment import Segmentation, segment
from webapp.requests import read_quality, read_threshold, read_upload
from webapp.segmenter import current_engine
from webapp.words import NOTICE

blueprint = Blueprint("api", __name__)

OPTIONS = ("output", "threshold", "quality")


@blueprint.post("/predict")
@blueprint.post("/predict/")
def predict() -> Response:
    """Segment the slice in the field "file"; answer with a PNG or, as asked, with JSON."""
    _refuse_unknown_options()
    upload = read_upload(request)
    output, threshold, quality = _wanted_output(), read_threshold(request), read_quality(request)
    segmentation = segment(upload.data, current_engine(), threshold=threshold, quality=quality)
    response = _as_json(segmentation) if output == "json" else _as_png(PICTURES[output](segmentation))
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse_unknown_options() -> None:
    """Raise InvalidOption where the address has an option that does not exist: mistyped, it would not be missed."""
    unknown = sorted(set(request.args) - set(OPTIONS))
    if unknown:
        raise InvalidOption(f"There is no option {unknown[0][:20]!r}. Known are {', '.join(OPTIONS)}.")


def _wanted_output() -> str:
    """Return overlay, mask, probability or json: the option "output" goes before the Accept header.

    Raises
    ------
    InvalidOption : there is no such output.
    """
    known = (*PICTURES, "json")
    output = request.values.get("output", "")
    if output and output not in known:
        raise InvalidOption(f"There is no output {output[:20]!r}. Choose one of {', '.join(known)}.")
    if output:
        return output
    best = request.accept_mimetypes.best_match(["image/png", "application/json"], default="image/png")
    return "json" if best == "application/json" else "overlay"


def _as_png(png: bytes) -> Response:
    response = make_response(png)
    response.content_type = "image/png"
    return response


def _as_json(segmentation: Segmentation) -> Response:
    pictures = {name: base64.b64encode(png).decode() for name, png in render_pictures(segmentation).items()}
    return jsonify(
        model=segmentation.model.as_dict(),
        threshold=segmentation.findings.threshold,
        quality=segmentation.quality,
        measurements=segmentation.findings.as_dict(),
        notes=segmentation.ct_slice.notes,
        notice=NOTICE,
        images=pictures,
        # The name that clients of earlier systems read.
        segmented_image=pictures["mask"],
    )


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer that the process lives."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer whether slices can be read; 503 with the reason where the weights cannot be loaded."""
    return jsonify(status="ready", model=current_engine().identity.as_dict())
