"""How long an upload may take to arrive, and how many may be arriving at once.

Each holds a thread until it is there. What a client says of its length is not trusted: it is held to the pace at which
bytes do come. Only some of the threads may wait for uploads, fewer of them for one client, so that pages are answered
while somebody sends as slowly as can be.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, TYPE_CHECKING

from flask import Flask, request
from werkzeug.exceptions import RequestEntityTooLarge

from model.errors import BrokenUpload
from webapp.addresses import client_of
from webapp.turned_away import TurnedAway

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GRACE_S = 20.0
"""So long nothing is asked of an upload: a slice is there by then, on the slowest line."""

SLOWEST_BYTES_PER_S = 50_000
"""The pace after that, on the average: a line of 0.4 Mbit/s, on which nobody sends volumes."""

LONGEST_S = 1200.0
"""For any upload: 500 MB at 3.5 Mbit/s."""

MOST = 16
"""Uploads that may be arriving in one process at once: half of its threads, see gunicorn.conf.py."""

MOST_OF_ONE = 12
"""The same of one client: as many connections as two browsers open, that share an address."""

AGAIN_IN_S = 2

LOOKED_AT_EVERY_S = 0.5

_ARRIVAL, _PATIENCE = "groundglass.arrival", "groundglass.patience"

_TOO_MANY = "The server takes as many uploads at once as it can. Send this one again in a moment."
_TOO_MANY_OF_ONE = "More uploads come from your address at once than this server takes. Send one after the other."


@dataclass(eq=False)
class Arrival:
    """One request on its way. received : bytes of its body; until : when it is given up at the latest, monotonic."""

    client: socket.socket
    length: int | None
    began: float = field(default_factory=time.monotonic)
    received: int = 0
    until: float = math.inf
    whose: str = ""
    is_taken: bool = False
    is_late: bool = False

    def ends_at(self) -> float:
        """Return until when more must have come, of the monotonic clock."""
        allowed_s = min(LONGEST_S, GRACE_S + self.received / SLOWEST_BYTES_PER_S)
        return min(self.until, self.began + allowed_s)


class Patience:
    """Hears no more of a client whose request comes too slowly; it then looks broken off.

    By gunicorn's socket alone: other servers have bounds of their own.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._arriving: set[Arrival] = set()
        self._watch: threading.Thread | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        client, length = environ.get("gunicorn.socket"), _length(environ)
        if length == 0 or not isinstance(client, socket.socket):
            return self._app(environ, start_response)
        arrival = environ[_ARRIVAL] = Arrival(client, length)
        environ["wsgi.input"] = _Body(environ["wsgi.input"], arrival, self)
        environ[_PATIENCE] = self
        self._begin(arrival)
        try:
            return self._app(environ, start_response)
        finally:
            self.end(arrival)

    def take(self, arrival: Arrival, whose: str) -> None:
        """Give a request one of the places for those whose body is on its way.

        Raises
        ------
        TurnedAway : none is free, or the client has enough of them.
        """
        with self._lock:
            taken = [other for other in self._arriving if other.is_taken]
            if len(taken) >= MOST:
                raise TurnedAway(HTTPStatus.SERVICE_UNAVAILABLE, _TOO_MANY, retry_after_s=AGAIN_IN_S)
            if sum(other.whose == whose for other in taken) >= MOST_OF_ONE:
                raise TurnedAway(HTTPStatus.TOO_MANY_REQUESTS, _TOO_MANY_OF_ONE, retry_after_s=AGAIN_IN_S)
            arrival.is_taken, arrival.whose = True, whose

    def end(self, arrival: Arrival) -> None:
        """Watch a request no longer: all of it is there, or it is answered."""
        with self._lock:
            self._arriving.discard(arrival)

    def _begin(self, arrival: Arrival) -> None:
        with self._lock:
            self._arriving.add(arrival)
            # Here, since threads do not survive the fork of a server's process.
            if self._watch is None:
                self._watch = threading.Thread(target=self._look, name="patience", daemon=True)
                self._watch.start()

    def _look(self) -> None:
        while True:
            time.sleep(LOOKED_AT_EVERY_S)
            now = time.monotonic()
            with self._lock:
                for arrival in self._arriving:
                    if arrival.ends_at() < now:
                        arrival.is_late = True
                        _hear_no_more(arrival.client)


class _Body:
    """The body of a request, which counts what has come of it."""

    def __init__(self, stream: IO[bytes], arrival: Arrival, patience: Patience) -> None:
        self._stream, self._arrival, self._patience = stream, arrival, patience

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or fewer at the end."""
        return self._count(self._stream.read(size), size)

    def readline(self, size: int = -1) -> bytes:
        """Return a line, or what there is of it at the end."""
        return self._count(self._stream.readline(size), size)

    def _count(self, piece: bytes, size: int) -> bytes:
        """Note a piece.

        Raises
        ------
        BrokenUpload : it came too slowly and was given up.
        ConnectionError : the client ended before all that it promised was there.
        """
        arrival = self._arrival
        arrival.received += len(piece)
        is_end = not piece and size != 0
        is_whole = is_end and not arrival.is_late if arrival.length is None else arrival.received >= arrival.length
        if is_whole:
            self._patience.end(arrival)
        elif is_end and arrival.is_late:
            raise BrokenUpload("The upload came too slowly and was given up. Send less at once, or on a faster line.")
        elif is_end:
            raise ConnectionAbortedError("the body ended early")
        return piece


def init_app(app: Flask) -> None:
    """Let only so many requests send at once, and none that says it is too long."""
    app.wsgi_app = Patience(app.wsgi_app)  # type: ignore[method-assign]  # As Flask says to wrap it.
    app.before_request(_refuse)


def hurry(within_s: float) -> bool:
    """Give the rest of the current request's body so long; return whether it has a place to come at all."""
    arrival: Arrival | None = request.environ.get(_ARRIVAL)
    if arrival is not None:
        arrival.until = time.monotonic() + within_s
    return arrival is None or arrival.is_taken


def _refuse() -> None:
    arrival: Arrival | None = request.environ.get(_ARRIVAL)
    if arrival is not None:
        request.environ[_PATIENCE].take(arrival, client_of(request.remote_addr or ""))
    most = request.max_content_length
    if most is not None and (request.content_length or 0) > most:
        raise RequestEntityTooLarge


def _length(environ: WSGIEnvironment) -> int | None:
    """Return how long a body says it is; None where it does not say, 0 where there is none."""
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    text = environ.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdecimal() else None


def _hear_no_more(client: socket.socket) -> None:
    # What the client is told still reaches it.
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RD)
