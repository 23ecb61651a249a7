"""Blueprint: a volume that waits or is read, its page, the pictures of its slices, its files."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request, send_from_directory

from model.export.lines import FOLLOWING
from model.volume.files import SliceFiles
from model.warning import warned
from webapp import words
from webapp.as_json import describe
from webapp.jobs.queueing import current_queue
from webapp.jobs.status import Status
from webapp.jobs.store import FILES, MEDIA_TYPES, SLICES
from webapp.results import PICTURES, current_results
from webapp.uploads.requests import read_number
from webapp.viewing.drawing import current_drawing
from webapp.viewing.explainable import why_not
from webapp.viewing.levels import at_level
from webapp.viewing.options import ViewOptions
from webapp.viewing.slices import DRAWN, kept_in_volume, recognition_in, sides_known
from webapp.viewing.view import read_view, view_as, view_of

blueprint = Blueprint("volumes", __name__)

REFRESH_S = 2


def progress_page(result_id: str, status: Status) -> Response:
    """Show how far a volume is; without scripts the page asks again by itself."""
    told = words.progress(status, current_queue().store.place(result_id))
    page = render_template("progress.html", result_id=result_id, status=status, progress=told, refresh_s=REFRESH_S)
    return make_response(page)


def volume_page(result_id: str, details: dict[str, Any]) -> Response:
    """Show one slice of a volume, the chart of all, the figures and the files."""
    count = len(details["slices"])
    start = details["volume"]["most_affected_slice"] or (count + 1) // 2
    number = read_number(request, "slice", least=1, most=count, otherwise=start)
    folder = current_results().folder_of(result_id)
    if folder is None:
        abort(HTTPStatus.NOT_FOUND)
    state = read_view(request.args, details["volume"]["threshold"])
    shown = at_level(details, folder, state) | {"sides_known": sides_known(details)}
    page = render_template(
        "volume.html",
        result_id=result_id,
        number=number,
        count=count,
        following=FOLLOWING,
        why_not=why_not(details, state, called=bool(shown["slices"][number - 1]["lesion_area_px"])),
        **view_of(state),
        **shown,
    )
    return make_response(page)


@blueprint.get("/results/<result_id>/slices/<int:number>/<kind>.png")
def slice_picture(result_id: str, number: int, kind: str) -> Response:
    """Send a picture of one slice, counted from 1 at the feet; with ?download=1 as a file to keep.

    The page has the legend of the overlays, and the sides; in a file to keep they are drawn.
    """
    details = current_results().details(result_id)
    folder = current_results().folder_of(result_id)
    if details is None or folder is None or "slices" not in details or kind not in (*PICTURES, *DRAWN):
        abort(HTTPStatus.NOT_FOUND)
    if not 1 <= number <= len(details["slices"]):
        abort(HTTPStatus.NOT_FOUND)
    options = ViewOptions.of_address(request.args)
    files, is_kept = SliceFiles(folder / SLICES), options.download
    if kind in DRAWN:
        state = view_as(options, details["volume"]["threshold"])
        sides = is_kept and sides_known(details)
        with current_drawing().of(details):
            kept = kept_in_volume(files, number - 1)
            png = kept.draw(kind, state, recognition_in(details), bar=is_kept, sides=sides)
    elif kind == "original":
        png = files.png("gray", number - 1)
    else:
        png = warned(files.png("lesion", number - 1), recognition_in(details))
    response = make_response(png)
    response.content_type = "image/png"
    if is_kept:
        name = f"groundglass-{result_id[:6]}-{number:04d}-{kind}.png"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@blueprint.get("/results/<result_id>/files/<name>")
def file(result_id: str, name: str) -> Response:
    """Send one of a volume's files, to keep."""
    details = current_results().details(result_id)
    folder = current_results().folder_of(result_id)
    if details is None or folder is None or name not in details.get("files", ()):
        abort(HTTPStatus.NOT_FOUND)
    # Sent in pieces: a file of probabilities may have a hundred megabytes.
    return send_from_directory(
        folder / FILES,
        name,
        mimetype=MEDIA_TYPES[Path(name).suffix],
        as_attachment=True,
        download_name=f"groundglass-{result_id[:6]}-{name}",
    )


@blueprint.get("/jobs/<result_id>")
def job(result_id: str) -> Response:
    """Say where a job stands, as JSON; its measurements and files once it is done."""
    status = current_queue().store.status(result_id)
    if status is None:
        abort(HTTPStatus.NOT_FOUND)
    return make_response(describe(result_id, status))
