"""Blueprint: POST /predict for programs, and health."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request, url_for

from model.errors import StorageError
from model.export.names import MASK, MONTAGE, PROBABILITY
from model.overlay import PICTURES, render_pictures
from model.segment import Segmentation
from webapp.as_json import describe, error_of, slice_answer
from webapp.jobs.queueing import current_queue
from webapp.jobs.status import DONE, FAILED, Status
from webapp.jobs.store import Order
from webapp.jobs.work import read_slice, slice_details
from webapp.monitoring.metrics import ENCODE, timed
from webapp.places import current_places
from webapp.results import current_results
from webapp.segmenter import current_networks
from webapp.uploads.reading import read_dicom_file, read_picture
from webapp.uploads.requests import Upload, order_of, read_predict_options, read_upload
from webapp.viewing.slices import DRAWN, drawn_alone
from webapp.viewing.view import ViewState
from webapp.volumes import file

blueprint = Blueprint("api", __name__)

FILE_OF_OUTPUT = {"overlay": MONTAGE, "mask": MASK, "probability": PROBABILITY}
"""What a volume answers with where a slice answers with a picture."""

_DELETED = "The result was deleted while it was waited for. Send the volume again."
_LOOK_EVERY_S = 0.2

WAIT_AT_MOST_S = 600.0
"""After this a client that waits is told where its job is, as if it had not asked to wait."""

# Each that waits holds one of the threads of its process: most of them stay free for everybody else.
_waiters = threading.BoundedSemaphore(2)


@blueprint.post("/predict")
@blueprint.post("/predict/")
def predict() -> Response:
    """Segment what is in the field "file": a slice at once, a volume as a job unless the client waits.

    A slice answers with a PNG or, as asked, with JSON. A volume answers 202 and the address of its job; with ?wait=1
    with its montage (overlay), mask or probability as NIfTI, or JSON.
    """
    upload = read_upload(request)
    options = read_predict_options(request)
    order = order_of(upload, options)
    segmentation = _read_slice(upload, order)
    if segmentation is not None:
        return _read(segmentation, options.output)
    return _queue(upload, order, options.output, wait=options.wait)


def _read_slice(upload: Upload, order: Order) -> Segmentation | None:
    """Read a picture, or a DICOM file with one slice; None where the upload is something longer."""
    networks = current_networks()
    if not (upload.is_picture or upload.is_dicom_file):
        return None
    if upload.is_picture:
        ct_slice = read_picture(upload.read())
    else:
        ct_slice = read_dicom_file(upload, as_picture=order.as_picture)
    # Not before: a file that takes long to decode keeps nobody from the network.
    with current_places().taken(ct_slice.shape):
        return read_slice(ct_slice, order, networks)


def _read(segmentation: Segmentation, output: str) -> Response:
    """Answer with what was asked for of a slice."""
    with timed(ENCODE):
        if output == "json":
            return _as_json(slice_details(segmentation), render_pictures(segmentation))
        return _as_png(PICTURES[output](segmentation))


def _queue(upload: Upload, order: Order, output: str, *, wait: bool) -> Response:
    """Take a volume in; answer with its job or, where the client waits, with what it asked for."""
    result_id = current_queue().submit(order, upload.save)
    if wait and _waiters.acquire(blocking=False):
        try:
            return _finished(result_id, output)
        finally:
            _waiters.release()
    return _accepted(result_id)


def _accepted(result_id: str) -> Response:
    """Answer with the address of a job."""
    status = current_queue().store.status(result_id)
    response = make_response(describe(result_id, status) if status else {}, HTTPStatus.ACCEPTED)
    response.headers["Location"] = url_for("volumes.job", result_id=result_id)
    return response


def _finished(result_id: str, output: str) -> Response:
    """Wait until a job is finished, and answer with what was asked for; raises what it failed with.

    A server that is to stop waits no longer.
    """
    queue, until = current_queue(), time.monotonic() + WAIT_AT_MOST_S
    while True:
        status = queue.store.status(result_id)
        if status is None:
            raise StorageError(_DELETED)
        if status.state == FAILED:
            raise error_of(status)
        if status.state == DONE:
            break
        if queue.stopping.is_set() or time.monotonic() > until:
            return _accepted(result_id)
        time.sleep(_LOOK_EVERY_S)
    return _result(result_id, status, output)


def _result(result_id: str, status: Status, output: str) -> Response:
    """Answer with what was asked for of a job that is done; a slice that came in a zip answers like any slice."""
    results = current_results()
    details = results.details(result_id)
    if details is not None and "volume" not in details:
        names = PICTURES if output == "json" else (output,)
        pictures = {name: _picture(result_id, details, name) for name in names}
        return _as_json(details, pictures) if output == "json" else _as_png(pictures[output])
    if output == "json":
        return make_response(describe(result_id, status))
    return file(result_id, FILE_OF_OUTPUT[output])


def _picture(result_id: str, details: dict[str, Any], name: str) -> bytes:
    """Return a picture of a slice that is done, as it was read."""
    if name in DRAWN:
        read_at = details["measurements"]["threshold"]
        png = drawn_alone(result_id, details, name, ViewState(read_at, read_at), bar=True)
    else:
        png = current_results().picture(result_id, name)
    if png is None:
        raise StorageError(_DELETED)
    return png


def _as_png(png: bytes) -> Response:
    response = make_response(png)
    response.content_type = "image/png"
    return response


def _as_json(details: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Response:
    """Answer with what was found in a slice, and its pictures."""
    images = {name: base64.b64encode(png).decode() for name, png in pictures.items()}
    # The second name is what clients of earlier systems read.
    return jsonify(**slice_answer(details), images=images, segmented_image=images["mask"])


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer that the process lives."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer whether slices can be read; 503 with the reason where the weights cannot be loaded."""
    return jsonify(status="ready", model=current_networks().engine.identity.as_dict())
