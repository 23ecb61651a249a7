"""Blueprint: the report of a slice, one page as PDF, made when it is asked for; a volume keeps its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, current_app, make_response, request

from model.export.names import REPORT
from model.export.slice_pdf import SliceReport, slice_report_pdf
from model.overlay import overlay
from webapp import words
from webapp.doors.access import who_asks
from webapp.places import Room
from webapp.results import current_results
from webapp.viewing.drawing import current_drawing
from webapp.viewing.slices import kept_alone, measured_alone, recognition_in
from webapp.viewing.view import ViewState, read_view

blueprint = Blueprint("report", __name__)

EXTENSION = "groundglass-reports"

WAIT_S = 8.0
"""A report takes half a second, on a machine that is busy two."""

MOST_WAITING = 4
"""Most of the threads of a process stay free."""


class Reports:
    """Those who make a report in one process: one at a time, since Matplotlib leaves little to other threads."""

    def __init__(self, *, wait_s: float = WAIT_S) -> None:
        self._room = Room(
            1,
            of_one=1,
            sentence="Other reports are being made. Ask for this one again in a moment.",
            wait_s=wait_s,
            most_waiting=MOST_WAITING,
        )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Make a report for the length of a block.

        Raises
        ------
        Busy : others are made and waited for.
        """
        with self._room.taken(1, who_asks()):
            yield


@blueprint.get("/results/<result_id>/report.pdf")
def slice_report(result_id: str) -> Response:
    """Send the report of a slice as PDF, one page, drawn and measured as the options of a view say."""
    details = current_results().details(result_id)
    if details is None or "measurements" not in details:
        abort(HTTPStatus.NOT_FOUND)
    state = read_view(request.args, details["measurements"]["threshold"])
    # The place first: who waits for one takes no room from those who look at pictures.
    with _current_reports().place(), current_drawing().of(details):
        kept = kept_alone(current_results(), result_id)
        if kept is None:
            abort(HTTPStatus.NOT_FOUND)
        pdf = slice_report_pdf(
            kept.gray,
            overlay(kept.gray, kept.probability, threshold=state.threshold, bar=False, style=state.style),
            _report(details, measured_alone(kept, details, state), state),
            style=state.style,
            made=words.made(details["made"], result_id),
        )
    response = make_response(pdf)
    response.content_type = "application/pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="groundglass-{result_id[:6]}-{REPORT}"'
    return response


def _current_reports() -> Reports:
    reports: Reports = current_app.extensions[EXTENSION]
    return reports


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
        recognition=recognition,
        notes=[note for note in details["notes"] if note != warning],
    )
