"""What the API's operations take and answer, beside what their routes, docstrings and models say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from webapp.document.answers import Health, Job, Ready, SliceAnswer, SliceFigures, VolumeFigures, VolumeTable
from webapp.jobs.store import MEDIA_TYPES
from webapp.results import LUNG, PICTURES
from webapp.viewing.options import ViewOptions
from webapp.viewing.slices import DRAWN

Json = dict[str, Any]

REF = "#/components/schemas/{model}"

BINARY: Json = {"type": "string", "format": "binary"}

TAGS = {
    "predict": "Send a scan",
    "results": "What was made of it, until it expires",
    "server": "How the server is",
}


@dataclass(frozen=True)
class Operation:
    """What an operation takes and answers.

    answers : description and content by status, but those of problems. problems : their statuses, those left out with
        which the doors answer (`webapp.document.openapi`).
    path : schemas of the variables in its path. query : its parameters.
    takes_upload : whether it takes files and options, see `webapp.uploads.options`.
    """

    tag: str
    answers: Mapping[HTTPStatus, Json]
    problems: Sequence[HTTPStatus] = ()
    path: Mapping[str, Json] = field(default_factory=dict)
    query: Sequence[Json] = ()
    takes_upload: bool = False


def _one_of(*models: type[BaseModel]) -> Json:
    refs = [{"$ref": REF.format(model=model.__name__)} for model in models]
    return {"application/json": {"schema": refs[0] if len(refs) == 1 else {"anyOf": refs}}}


def _files(*kinds: str) -> Json:
    return {kind: {"schema": BINARY} for kind in kinds}


_PREDICTED: Json = {
    "description": "What the option output asks for: of a slice a picture or JSON; of a volume that was waited for "
    "its montage (overlay), its mask or probabilities as NIfTI, or its job as JSON.",
    "content": _files("image/png", "application/gzip") | _one_of(SliceAnswer, Job),
}

_ACCEPTED: Json = {
    "description": "A volume, or several slices: where its job stands. Ask the address in Location again.",
    "headers": {"Location": {"description": "address of the job", "required": True, "schema": {"type": "string"}}},
    "content": _one_of(Job),
}

_RESULT_ID: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "the last part of its job's address"}


def _options(*names: str) -> Sequence[Json]:
    """Return some of the options of a view as parameters."""
    schemas: dict[str, Json] = ViewOptions.model_json_schema()["properties"]
    # What is used instead is no value that can be sent.
    del schemas["threshold"]["default"]
    return [{"name": name, "in": "query", "schema": schemas[name]} for name in names]


_OF_SERVER = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
_OF_PREDICT = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    *_OF_SERVER,
)


def _found(description: str, content: Json, *, query: Sequence[Json] = (), **path: Json) -> Operation:
    """Describe what answers with a part of a result; 400 where its options cannot be read."""
    answer = {HTTPStatus.OK: {"description": description, "content": content}}
    problems = (*((HTTPStatus.BAD_REQUEST,) if query else ()), HTTPStatus.NOT_FOUND, *_OF_SERVER)
    return Operation("results", answer, problems, {"result_id": _RESULT_ID, **path}, query)


def _told(description: str, content: Json) -> Operation:
    """Describe what tells of the server."""
    return Operation("server", {HTTPStatus.OK: {"description": description, "content": content}}, _OF_SERVER)


def _explained(**path: Json) -> Operation:
    """Describe what answers with the explanation of a call; 409 where nothing was called."""
    found = _found("The picture.", _files("image/png"), query=_options("threshold", "download"), **path)
    return replace(found, problems=(HTTPStatus.CONFLICT, *found.problems))


_PICTURE: Json = {
    "type": "string",
    "enum": list(dict.fromkeys((*PICTURES, *DRAWN))),
    "description": "original: the slice in 8-bit gray; overlay: the same with lesions as heat map, RGB; mask: lesions "
    "at the threshold, 8-bit gray, 0 or 255; probability: 16-bit gray, 65535 = 1.0; heat: the same in colours, RGB",
}
_PICTURE_ALONE: Json = {
    **_PICTURE,
    "enum": [*_PICTURE["enum"], LUNG],
    "description": f"{_PICTURE['description']}; lung: the lung that shares are of, 8-bit gray, 0 or 255, where the "
    "network tells one",
}
_DRAWING = ("threshold", "opacity", "colours", "outline")
_NUMBER: Json = {"type": "integer", "minimum": 1, "description": "of the slice, from 1 at the feet"}
_FILE_NAME: Json = {"type": "string", "description": 'one of the names in the "files" of its job'}
_FILE = (
    _files(*(kind for kind in MEDIA_TYPES.values() if kind not in ("text/csv", "application/json")))
    | {"text/csv": {"schema": {"type": "string"}}}
    | _one_of(VolumeTable)
)


def _in_parts(found: Operation) -> Operation:
    """Describe the same where a part of it can be asked for, or it only if it has changed."""
    part = {
        "description": "The part that the header Range asks for.",
        "content": {kind: {"schema": BINARY} for kind in found.answers[HTTPStatus.OK]["content"]},
    }
    unchanged = {"description": "It is what the header If-None-Match or If-Modified-Since says."}
    answers = {**found.answers, HTTPStatus.PARTIAL_CONTENT: part, HTTPStatus.NOT_MODIFIED: unchanged}
    return replace(found, answers=answers, problems=(*found.problems, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE))


OPERATIONS = {
    "api.predict": Operation(
        "predict", {HTTPStatus.OK: _PREDICTED, HTTPStatus.ACCEPTED: _ACCEPTED}, _OF_PREDICT, takes_upload=True
    ),
    "volumes.job": _found("Where it stands.", _one_of(Job)),
    "volumes.file": _in_parts(_found("The file.", _FILE, name=_FILE_NAME)),
    "viewer.figures_at": _found(
        "The figures of a slice or of a volume.",
        _one_of(SliceFigures, VolumeFigures),
        query=_options("threshold", "download"),
    ),
    "pages.picture": _found(
        "The picture.", _files("image/png"), query=_options(*_DRAWING, "bar", "download"), name=_PICTURE_ALONE
    ),
    "volumes.slice_picture": _found(
        "The picture.", _files("image/png"), query=_options(*_DRAWING, "download"), number=_NUMBER, kind=_PICTURE
    ),
    "report.slice_report": _found("The report.", _files("application/pdf"), query=_options(*_DRAWING)),
    "why.explanation": _explained(),
    "why.slice_explanation": _explained(number=_NUMBER),
    "api.healthz": _told("It lives.", _one_of(Health)),
    "api.readyz": _told("They can.", _one_of(Ready)),
    "monitor.figures": _told("Text, as Prometheus reads it.", {"text/plain": {"schema": {"type": "string"}}}),
}
"""The operations by the endpoints of their views, in the order of the page."""
