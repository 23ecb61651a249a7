"""Blueprint: the report of a slice, one page as PDF, made when it is asked for; a volume keeps its own."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, make_response, request

from model.export.names import REPORT
from model.export.slice_pdf import SliceReport, slice_report_pdf
from model.overlay import overlay
from webapp import words
from webapp.results import current_results
from webapp.viewing.drawing import current_drawing
from webapp.viewing.slices import kept_alone, recognition_in
from webapp.viewing.view import ViewState, read_view

blueprint = Blueprint("report", __name__)


@blueprint.get("/results/<result_id>/report.pdf")
def slice_report(result_id: str) -> Response:
    """Send the report of a slice as PDF, one page, drawn and measured as the options of a view say."""
    details = current_results().details(result_id)
    if details is None or "measurements" not in details:
        abort(HTTPStatus.NOT_FOUND)
    state = read_view(request.args, details["measurements"]["threshold"])
    with current_drawing().of(details):
        kept = kept_alone(current_results(), result_id)
        if kept is None:
            abort(HTTPStatus.NOT_FOUND)
        measured = kept.measurements(state.threshold)
        # The probability is that of the network; kept, it is rounded.
        measured["highest_probability"] = details["measurements"]["highest_probability"]
        pdf = slice_report_pdf(
            kept.gray,
            overlay(kept.gray, kept.probability, threshold=state.threshold, bar=False, style=state.style),
            _report(details, measured, state),
            style=state.style,
            made=words.made(details["made"], result_id),
        )
    response = make_response(pdf)
    response.content_type = "application/pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="groundglass-{result_id[:6]}-{REPORT}"'
    return response


def _report(details: Mapping[str, Any], measured: dict[str, Any], state: ViewState) -> SliceReport:
    """Return what the report tells.

    details : of the result. measured : its figures at the threshold of a view.
    """
    recognition = recognition_in(details)
    warning = recognition.sentence if recognition else ""
    sure = words.certainty(details["flip_dice"], quality=details["quality"])
    if state.is_moved and details["flip_dice"] is not None:
        sure += f" at threshold {state.read_at:g}"
    return SliceReport(
        sentence=words.summary(measured),
        rows=words.report_rows(measured, sure),
        threshold=state.threshold,
        model_id=details["model"]["id"],
        sha256=details["model"]["sha256"],
        quality=details["quality"],
        warning=warning,
        notes=[note for note in details["notes"] if note != warning],
    )
