"""Blueprint: the upload form, the result page, downloads."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from model.decode.picture import FORMATS, MAX_MEGAPIXELS
from model.errors import InvalidOption
from model.export.names import NOTICE
from model.phantom import phantom_png
from webapp import words
from webapp.as_json import error_of
from webapp.errors import wants_page
from webapp.jobs.queueing import current_queue
from webapp.jobs.status import FAILED
from webapp.jobs.store import Order
from webapp.jobs.work import picture_result, read_slice
from webapp.pace import current_pace
from webapp.places import current_places
from webapp.results import current_results
from webapp.segmenter import current_networks, current_segmenter
from webapp.uploads.reading import read_picture
from webapp.uploads.requests import MAX_PICTURES, Upload, current_settings, order_of, read_form_options, read_upload
from webapp.viewing.options import ViewOptions
from webapp.viewing.slices import DRAWN, drawn_alone
from webapp.viewing.view import view_as
from webapp.viewing.viewer import slice_page
from webapp.volumes import progress_page, volume_page

blueprint = Blueprint("pages", __name__)

PHANTOMS = {"none": "no lesion", "one": "one lesion", "many": "many"}
"""Drawn slices to try, by their names in `model.phantom.EXAMPLES`, and what the buttons call them."""

# With these vessels and this noise, the shipped network finds as many lesions as are drawn.
_PHANTOM_SEED = 5


@blueprint.app_context_processor
def _every_page() -> dict[str, object]:
    """What all templates may name."""
    return {"settings": current_settings(), "notice": NOTICE, "words": words}


@blueprint.get("/upload")
@blueprint.get("/")
def form() -> str:
    """Show the upload form; with ?quality=1 that option is chosen."""
    return render_template(
        "form.html",
        formats=FORMATS,
        max_megapixels=MAX_MEGAPIXELS,
        max_pictures=MAX_PICTURES,
        phantoms=PHANTOMS,
        pace=current_pace().seconds(quality=False),
        pace_quality=current_pace().seconds(quality=True),
        offline=current_segmenter().is_offline(),
        wants_quality=request.args.get("quality") == "1",
    )


@blueprint.post("/upload")
@blueprint.post("/")
def upload() -> BaseResponse:
    """Segment the chosen slice or phantom, or queue the chosen volume, and lead to the result."""
    if "phantom" in request.form:
        result_id = _read_phantom(request.form["phantom"], quality=request.form.get("quality") == "1")
    else:
        result_id = _read_or_queue(read_upload(request, several_pictures=True))
    return redirect(url_for("pages.result", result_id=result_id), HTTPStatus.SEE_OTHER)


def _read_phantom(name: str, *, quality: bool) -> str:
    """Segment one of PHANTOMS; return the id of its result."""
    if name not in PHANTOMS:
        raise InvalidOption(f"There is no phantom {name[:20]!r}. Known are {', '.join(PHANTOMS)}.")
    order = Order(
        shown_name=f"Phantom: {PHANTOMS[name]}",
        names=(),
        threshold=current_settings().threshold,
        quality=quality,
        as_picture=False,
        patient=False,
    )
    return _read_picture(phantom_png(name, seed=_PHANTOM_SEED), order)


def _read_or_queue(chosen: Upload) -> str:
    """Segment a picture, or queue anything longer; return the id of its result."""
    options = read_form_options(request)
    # The page refuses, and has what was read ready for whoever wants to see it anyway.
    order = replace(order_of(chosen, options, each_picture=chosen.is_several_pictures), force=True)
    if not chosen.is_picture:
        return current_queue().submit(order, chosen.save)
    return _read_picture(chosen.read(), order)


def _read_picture(data: bytes, order: Order) -> str:
    networks = current_networks()
    ct_slice = read_picture(data)
    with current_places().taken(ct_slice.shape), current_pace().timing(quality=order.quality):
        segmentation = read_slice(ct_slice, order, networks)
    return current_results().save(*picture_result(segmentation, order.shown_name))


@blueprint.get("/results/<result_id>")
def result(result_id: str) -> Response:
    """Show a result until it expires: a slice, a volume, or how far a volume is."""
    details = current_results().details(result_id)
    if details is not None and _is_refused(details):
        return make_response(render_template("refused.html", result_id=result_id, **_shown_refused(result_id, details)))
    if details is not None and "slices" in details:
        return volume_page(result_id, details)
    if details is not None and "pictures" in details:
        return make_response(render_template("pictures.html", **details))
    if details is not None:
        return slice_page(result_id, details)
    status = current_queue().store.status(result_id)
    if status is not None and status.state == FAILED:
        raise error_of(status)
    if status is not None:
        return progress_page(result_id, status)
    if not wants_page():
        abort(HTTPStatus.NOT_FOUND)
    return make_response(render_template("expired.html"), HTTPStatus.NOT_FOUND)


def _is_refused(details: dict[str, Any]) -> bool:
    """Whether what was read does not look like a chest CT, and its sender has not asked to see it anyway."""
    recognition = details.get("recognition")
    return bool(recognition and recognition["refused"]) and request.args.get("force") != "1"


def _shown_refused(result_id: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return what the page of something refused shows of it: of a volume, the slice in the middle."""
    if "slices" in details:
        middle = (len(details["slices"]) + 1) // 2
        picture = url_for("volumes.slice_picture", result_id=result_id, number=middle, kind="original")
    else:
        picture = url_for("pages.picture", result_id=result_id, name="original")
    return {"picture": picture, "name": details["name"], "recognition": details["recognition"]}


@blueprint.get("/results/<result_id>/<name>.png")
def picture(result_id: str, name: str) -> Response:
    """Send a picture of a result, as the options of a view say; with ?download=1 as a file to keep."""
    options = ViewOptions.of_address(request.args)
    png = _drawn(result_id, name, options) if name in DRAWN else current_results().picture(result_id, name)
    if png is None:
        abort(HTTPStatus.NOT_FOUND)
    response = make_response(png)
    response.content_type = "image/png"
    if options.download:
        response.headers["Content-Disposition"] = f'attachment; filename="groundglass-{result_id[:6]}-{name}.png"'
    return response


def _drawn(result_id: str, name: str, options: ViewOptions) -> bytes | None:
    """Return a picture as it is looked at; with ?bar=0 it has no colour bar, since the page has the legend."""
    details = current_results().details(result_id)
    if details is None or "measurements" not in details:
        return None
    state = view_as(options, details["measurements"]["threshold"])
    return drawn_alone(result_id, details, name, state, bar=options.bar)
