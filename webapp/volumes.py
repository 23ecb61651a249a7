"""Blueprint: a volume that waits or is read, its page, the pictures of its slices, its files."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request, send_from_directory, url_for

from model import errors
from model.export.lines import FOLLOWING
from model.export.names import NOTICE
from model.volume.files import SliceFiles
from model.warning import warned
from webapp import words
from webapp.drawing import current_drawing
from webapp.errors import problem_of
from webapp.explainable import why_not
from webapp.jobs import FILES, SLICES
from webapp.levels import at_level
from webapp.queueing import current_queue
from webapp.requests import read_number
from webapp.results import PICTURES, current_results
from webapp.slices import DRAWN, kept_in_volume, recognition_in
from webapp.status import FAILED, QUEUED, WORKING, Status
from webapp.view import read_view, view_of

blueprint = Blueprint("volumes", __name__)

REFRESH_S = 2

MEDIA_TYPES = {
    ".gz": "application/gzip",
    ".dcm": "application/dicom",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".csv": "text/csv",
    ".json": "application/json",
}
"""Of a volume's files. What a system guesses of NIfTI and DICOM differs."""

_MEASURED = ("volume", "slices", "model", "quality", "flip_dice", "recognition", "notes")


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


def sides_known(details: dict[str, Any]) -> bool:
    """Whether the patient's right and left are known; where nothing tells, whether the lungs were told apart."""
    return bool(details.get("sides_known", details["volume"]["right"] is not None))


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
    files, is_kept = SliceFiles(folder / SLICES), bool(request.args.get("download"))
    if kind in DRAWN:
        state = read_view(request.args, details["volume"]["threshold"])
        sides = is_kept and sides_known(details)
        with current_drawing().of(details):
            png = kept_in_volume(files, number - 1).draw(kind, state, bar=is_kept, sides=sides)
    else:
        png = files.png("gray" if kind == "original" else "lesion", number - 1)
    if kind != "original":
        png = warned(png, recognition_in(details))
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


def error_of(status: Status) -> errors.GroundglassError:
    """Return what a failed job failed with."""
    kind = getattr(errors, status.error or "", errors.StorageError)
    return kind(status.sentence) if issubclass(kind, errors.GroundglassError) else errors.StorageError(status.sentence)


@blueprint.get("/jobs/<result_id>")
def job(result_id: str) -> Response:
    """Say where a job stands, as JSON; its measurements and files once it is done."""
    status = current_queue().store.status(result_id)
    if status is None:
        abort(HTTPStatus.NOT_FOUND)
    return make_response(describe(result_id, status))


def describe(result_id: str, status: Status) -> dict[str, Any]:
    """Return a job as JSON has it."""
    place = current_queue().store.place(result_id)
    answer: dict[str, Any] = {
        "state": status.state,
        "attempts": status.attempts,
        "slices_done": status.done,
        "slices": status.of,
        "seconds_left": None if status.seconds_left is None else round(status.seconds_left),
        "place": place,
        "progress": words.progress(status, place) if status.state in (QUEUED, WORKING) else None,
        "page": url_for("pages.result", result_id=result_id),
        "sentence": status.sentence,
        "problem": problem_of(error_of(status)) if status.state == FAILED else None,
    }
    details = current_results().details(result_id)
    if details is not None and "volume" in details:
        answer["measurements"] = {name: details[name] for name in _MEASURED}
        answer["files"] = {name: url_for("volumes.file", result_id=result_id, name=name) for name in details["files"]}
        answer["notice"] = NOTICE
    elif details is not None and "pictures" in details:
        answer["pictures"] = [
            {
                "name": picture["name"],
                "sentence": picture["sentence"],
                "page": url_for("pages.result", result_id=picture["result_id"]),
            }
            for picture in details["pictures"]
        ]
        answer |= {"left": details["left"], "notice": NOTICE}
    elif details is not None:
        # The files turned out to hold one picture.
        answer |= slice_answer(details)
        answer["files"] = {f"{name}.png": url_for("pages.picture", result_id=result_id, name=name) for name in PICTURES}
    return answer


def slice_answer(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found in a slice as JSON has it, without its pictures.

    details : as `webapp.work.slice_details` gives them.
    """
    return {
        "model": details["model"],
        "threshold": details["measurements"]["threshold"],
        "quality": details["quality"],
        "flip_dice": details["flip_dice"],
        "recognition": details["recognition"],
        "measurements": details["measurements"],
        "notes": details["notes"],
        "notice": NOTICE,
    }
