"""How long an upload may take to arrive: a client that sends a byte now and then would keep a thread for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GRACE_S = 60.0

SLOWEST_BYTES_PER_S = 50_000
"""A line of 0.4 Mbit/s."""

UNKNOWN_LENGTH_S = 600.0
"""For uploads that do not say how long they are."""


class Patience:
    """Hears no more of a client after the time that its request may take to arrive; it then looks broken off.

    By gunicorn's socket alone: other servers have bounds of their own.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        client = environ.get("gunicorn.socket")
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") or not isinstance(client, socket.socket):
            return self._app(environ, start_response)
        timer = threading.Timer(seconds(environ), _hear_no_more, (client,))
        timer.daemon = True
        timer.start()
        try:
            return self._app(environ, start_response)
        finally:
            timer.cancel()


def seconds(environ: WSGIEnvironment) -> float:
    """Return how long a request may take to arrive."""
    length = environ.get("CONTENT_LENGTH") or ""
    return GRACE_S + int(length) / SLOWEST_BYTES_PER_S if length.isdecimal() else UNKNOWN_LENGTH_S


def _hear_no_more(client: socket.socket) -> None:
    # What the client is told still reaches it.
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RD)
