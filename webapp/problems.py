"""What can go wrong, by kind, as problem details (RFC 9457) name it and the page of the API explains it."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from http import HTTPStatus

from model.errors import GroundglassError

MEDIA_TYPE = "application/problem+json"

_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "The request could not be understood.",
    HTTPStatus.UNAUTHORIZED: "The server wants to know who asks: send a key, as Authorization: Bearer KEY.",
    HTTPStatus.FORBIDDEN: "The server does not let this client do this.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address. Results and jobs expire.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The address does not take such a request; the header Allow names those it takes.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request has more bytes, files or fields than are taken.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file has no such part as the header Range asks for.",
    HTTPStatus.TOO_MANY_REQUESTS: "This client asks too often; the header Retry-After says when it can ask again.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong in the server; its log says what.",
}
"""What the statuses mean that come without an error of ours."""


@dataclass(frozen=True)
class Problem:
    """A kind of problem: its name in addresses, its title, the status it comes with, and what it means."""

    kind: str
    title: str
    status: HTTPStatus
    meaning: str


def of_error(error: type[GroundglassError], status: HTTPStatus) -> Problem:
    """Return the kind of an error of ours, named and explained by its class.

    >>> from model.errors import TooSmall
    >>> problem = of_error(TooSmall, HTTPStatus.UNPROCESSABLE_ENTITY)
    >>> problem.kind, problem.title, problem.meaning
    ('too-small', 'Too small', 'Too few pixels, or one side far longer than the other.')
    """
    kind = kind_of(error)
    title = kind.replace("-", " ").capitalize().replace(" ct", " CT")
    return Problem(kind, title, status, inspect.getdoc(error) or "")


def kind_of(error: type[Exception]) -> str:
    """Return the name of an error's kind.

    >>> kind_of(ValueError)
    'value-error'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", error.__name__).lower()


def of_status(status: HTTPStatus) -> Problem:
    """Return the kind of an error that came with a status alone."""
    meaning = _MEANINGS.get(status, f"{status.phrase}.")
    return Problem(status.phrase.lower().replace(" ", "-"), status.phrase, status, meaning)


def known_statuses() -> list[Problem]:
    """Return the kinds that come with a status alone."""
    return [of_status(status) for status in _MEANINGS]
