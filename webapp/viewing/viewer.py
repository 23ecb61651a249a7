"""Blueprint: a slice as it is looked at, its figures at any threshold, the colours that browsers draw it in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request

from model.overlay import COLOUR_MAPS, OUTLINE, RIM, colour_table
from webapp import words
from webapp.as_json import slice_answer
from webapp.results import current_results
from webapp.viewing.drawing import current_drawing
from webapp.viewing.explainable import why_not
from webapp.viewing.levels import at_level, figures
from webapp.viewing.options import ViewOptions
from webapp.viewing.slices import kept_alone, measured_alone
from webapp.viewing.view import ViewState, read_view, view_as, view_of

blueprint = Blueprint("viewer", __name__)

_A_DAY_S = 24 * 60 * 60


@blueprint.get("/colours.json")
def colours() -> Response:
    """Send the colours: of each map from probability 0 to 1, as hexadecimal RGB, 256 in one string; of the outline."""
    maps = {name: colour_table(name).tobytes().hex() for name in COLOUR_MAPS}
    response = jsonify(maps=maps, outline=OUTLINE, rim=RIM)
    response.cache_control.public = True
    response.cache_control.max_age = _A_DAY_S
    return response


@blueprint.get("/results/<result_id>/figures.json")
def figures_at(result_id: str) -> Response:
    """Send what a result shows at the threshold of the address; with ?download=1 as a file to keep."""
    details = current_results().details(result_id)
    folder = current_results().folder_of(result_id)
    if details is None or folder is None:
        abort(HTTPStatus.NOT_FOUND)
    options = ViewOptions.of_address(request.args)
    if "slices" in details:
        state = view_as(options, details["volume"]["threshold"])
        response = jsonify(figures(at_level(details, folder, state), state))
    elif "measurements" in details:
        details = _measured(result_id, details, view_as(options, details["measurements"]["threshold"]))
        response = jsonify(**slice_answer(details), sentence=words.summary(details["measurements"]))
    else:
        abort(HTTPStatus.NOT_FOUND)
    if options.download:
        name = f"groundglass-{result_id[:6]}-measurements.json"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def slice_page(result_id: str, details: dict[str, Any]) -> Response:
    """Show a slice as the address says, with its figures at that threshold."""
    state = read_view(request.args, details["measurements"]["threshold"])
    shown = _measured(result_id, details, state)
    reason = why_not(details, state, called=bool(shown["measurements"]["lesion_area_px"]))
    page = render_template("result.html", result_id=result_id, why_not=reason, **view_of(state), **shown)
    return make_response(page)


def _measured(result_id: str, details: dict[str, Any], state: ViewState) -> dict[str, Any]:
    """Return the details of a slice with its figures at the threshold of a view."""
    if not state.is_moved:
        return details
    with current_drawing().of(details):
        kept = kept_alone(current_results(), result_id)
        return details if kept is None else details | {"measurements": measured_alone(kept, details, state)}
