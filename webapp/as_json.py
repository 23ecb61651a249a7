"""Jobs and slices as the API tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for

from model import errors
from model.export.names import NOTICE
from webapp import words
from webapp.errors import problem_of
from webapp.jobs.queueing import current_queue
from webapp.jobs.status import FAILED, QUEUED, WORKING, Status
from webapp.results import PICTURES, current_results

_MEASURED = ("volume", "slices", "model", "quality", "flip_dice", "recognition", "notes")
_OF_A_PICTURE = ("name", "sentence", "recognition", "notes")


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
            {name: picture[name] for name in _OF_A_PICTURE}
            | {"page": url_for("pages.result", result_id=picture["result_id"])}
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

    details : as `webapp.jobs.work.slice_details` gives them.
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


def error_of(status: Status) -> errors.GroundglassError:
    """Return what a failed job failed with."""
    kind = getattr(errors, status.error or "", errors.StorageError)
    return kind(status.sentence) if issubclass(kind, errors.GroundglassError) else errors.StorageError(status.sentence)
