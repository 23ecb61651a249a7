"""Error class -> HTTP status, as page or as JSON; the only place where errors meet HTTP."""

from __future__ import annotations

import contextlib
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, jsonify, make_response, render_template, request, url_for
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from model import errors
from webapp.monitoring.metrics import count_error, count_status
from webapp.monitoring.monitor import request_id
from webapp.problems import MEDIA_TYPE, Problem, of_error, of_status
from webapp.turned_away import TurnedAway
from webapp.uploads.patience import hurry

log = logging.getLogger(__name__)

STATUS: dict[type[errors.GroundglassError], HTTPStatus] = {
    errors.MissingFile: HTTPStatus.BAD_REQUEST,
    errors.EmptyFile: HTTPStatus.BAD_REQUEST,
    errors.InvalidOption: HTTPStatus.BAD_REQUEST,
    errors.BrokenUpload: HTTPStatus.BAD_REQUEST,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NotAnImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.NotChestCt: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DamagedImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotCt: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooSmall: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unexplained: HTTPStatus.CONFLICT,
    errors.StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.WeightsError: HTTPStatus.SERVICE_UNAVAILABLE,
}

RETRY_AFTER_S = 60
"""When to try again where the queue is full: about how long a volume takes."""

# What is still read of a refused upload. A connection that is closed on unread bytes is reset, and the sender would
# see that instead of the sentence. Not for long: it holds a thread.
_DRAINED_BYTES = 64 * 1024 * 1024
_DRAINED_WITHIN_S = 3.0
_CHUNK_BYTES = 64 * 1024

_SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is no page at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take a request of this kind.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file has no such part as the header Range asks for.",
    HTTPStatus.BAD_REQUEST: "The request could not be understood.",
}


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(errors.GroundglassError, _handle_ours)
    app.register_error_handler(TurnedAway, _handle_turned_away)
    app.register_error_handler(RequestEntityTooLarge, _handle_too_large)
    app.register_error_handler(HTTPException, _handle_http)
    app.register_error_handler(Exception, _handle_unexpected)


def _handle_ours(error: errors.GroundglassError) -> Response:
    if isinstance(error, errors.InputError):
        # It may have been refused before all of it was there.
        _drain()
    status = STATUS[type(error)]
    problem = of_error(type(error), status)
    count_error(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, errors.Busy):
        log.error("%s: %s", type(error).__name__, error)
    if isinstance(error, errors.WeightsError) and request.endpoint != "api.readyz":
        # Whoever uploads can do nothing about the weights; whoever runs the server asks /readyz.
        return _answer(problem, "The server cannot read slices now: its network could not be loaded. Try again later.")
    retry_after_s = (error.retry_after_s or RETRY_AFTER_S) if isinstance(error, errors.Busy) else None
    return _answer(problem, _sentence(error), retry_after_s=retry_after_s)


def _sentence(error: errors.GroundglassError) -> str:
    """Return what is wrong; of a refusal, which only programs meet here, also how to go on."""
    forced = " Send it with force=1 to have it read anyway." if isinstance(error, errors.NotChestCt) else ""
    return f"{error}{forced}"


def _handle_turned_away(error: TurnedAway) -> Response:
    """Say why; the upload is refused before it is read, see `_DRAINED_BYTES`."""
    # Who comes too often is not listened to for long.
    _drain(_CHUNK_BYTES if error.status == HTTPStatus.TOO_MANY_REQUESTS else _DRAINED_BYTES)
    response = _answer_status(error.status, str(error), retry_after_s=error.retry_after_s)
    response.headers.update(error.headers)
    return response


def _handle_too_large(error: RequestEntityTooLarge) -> Response:
    # What is too large for a short form is no upload.
    _drain(_CHUNK_BYTES if request.blueprint == "access" else _DRAINED_BYTES)
    kilobytes = (request.max_content_length or 0) // 1000
    most = f"{kilobytes // 1000} MB" if kilobytes >= 1000 else f"{kilobytes} kB"
    sentence = f"What was sent is larger than {most}, the most that is taken here."
    return _answer_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)


def _drain(most: int = _DRAINED_BYTES) -> None:
    if not hurry(_DRAINED_WITHIN_S):
        return
    stream, left = request.environ["wsgi.input"], most
    # Where the sender is gone or slow, or the rest is no proper body, nothing is left to be read.
    with contextlib.suppress(OSError, ParseException, errors.BrokenUpload):
        while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)


def _handle_http(error: HTTPException) -> Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        # A redirect of the router's own.
        return make_response(error.get_response())
    status = HTTPStatus(error.code)
    response = _answer_status(status, _SENTENCES.get(status, status.phrase + "."))
    for name in ("Allow", "Content-Range", "Retry-After"):
        if name in error.get_response().headers:
            response.headers[name] = error.get_response().headers[name]
    return response


def _handle_unexpected(error: Exception) -> Response:
    """The last resort: the log has the traceback, the sender a sentence."""
    log.error("unexpected error", exc_info=error)
    return _answer_status(
        HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong in the server. Try again; its log says what happened."
    )


def _answer_status(status: HTTPStatus, sentence: str, *, retry_after_s: int | None = None) -> Response:
    """Answer with a problem that came with a status alone."""
    count_status(status)
    return _answer(of_status(status), sentence, retry_after_s=retry_after_s)


def _answer(problem: Problem, sentence: str, *, retry_after_s: int | None = None) -> Response:
    """Answer as RFC 9457 problem details to a program, as a page to a browser."""
    status, g.problem = problem.status, problem.kind
    if wants_page():
        page = render_template("error.html", status=status, sentence=sentence, retry_after_s=retry_after_s)
        response = make_response(page, status)
    else:
        response = jsonify(_as_json(problem, sentence) | {"instance": f"urn:uuid:{request_id()}"})
        response.status_code = int(status)
        response.content_type = MEDIA_TYPE
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def problem_of(error: errors.GroundglassError) -> dict[str, Any]:
    """Return the problem of an error that no request met itself: that of a job which failed."""
    return _as_json(of_error(type(error), STATUS[type(error)]), _sentence(error))


def _as_json(problem: Problem, sentence: str) -> dict[str, Any]:
    return {
        "type": url_for("docs.page", _anchor=f"problem-{problem.kind}"),
        "title": problem.title,
        "status": int(problem.status),
        "detail": sentence,
    }


def wants_page() -> bool:
    """Whether the sender is a browser: it names HTML among what it takes, which programs do not."""
    return request.blueprint != "api" and any(
        kind == "text/html" and quality > 0.0 for kind, quality in request.accept_mimetypes
    )
