"""The names that the server answers to, where they are known.

A web site can let its own name lead to this machine (DNS rebinding); a visitor's browser then takes what the server
says for the site's own, and shows it to its scripts. Only the header Host gives it away.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, request
from werkzeug.sansio.utils import host_is_trusted

from webapp.settings import Settings
from webapp.turned_away import TurnedAway

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_REFUSED = "groundglass.refused_host"
_SHOWN_LETTERS = 60


class KnownHosts:
    """Marks requests under names that the server does not answer to, or that are none."""

    def __init__(self, app: WSGIApplication, names: tuple[str, ...]) -> None:
        self._app, self._names = app, names

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        host = environ.get("HTTP_HOST")
        # Browsers always send one; what does without is a probe, say.
        if host is not None and not is_known(host, self._names):
            environ[_REFUSED] = host
            # No address of a page could be made of it, that of the error neither.
            environ["HTTP_HOST"] = "localhost"
        elif host is not None:
            # An empty port is one in the grammar (RFC 3986, 3.2.3), and not for Werkzeug.
            environ["HTTP_HOST"] = host.removesuffix(":")
        return self._app(environ, start_response)


def is_known(host: str, names: tuple[str, ...]) -> bool:
    """Whether a name, with or without port, is one of several; all are known where there are none.

    A name that begins with a dot stands for itself and all below it. Capitals do not matter, nor does the dot at the
    end that says that a name is whole, nor an empty port.

    >>> is_known("ct.example.org:8000", (".example.org",)), is_known("[::1]:8000", ("[::1]",))
    (True, True)
    >>> is_known("evil.example", ("localhost",)), is_known("evil.example", ()), is_known("a b", ())
    (False, True, False)
    """
    host = host.lower().removesuffix(":")
    if not host_is_trusted(host, None):
        return False
    # Those in brackets Werkzeug takes apart at the wrong colon.
    is_address = host.startswith("[")
    name = host.partition("]")[0] + "]" if is_address else host.partition(":")[0].removesuffix(".")
    return not names or name in names or host_is_trusted(name, names)


def init_app(app: Flask, settings: Settings) -> None:
    """Refuse requests under other names than those of the settings."""
    app.wsgi_app = KnownHosts(app.wsgi_app, settings.host_names)  # type: ignore[method-assign]  # Flask's own way to wrap it.
    app.before_request(_refuse)


def _refuse() -> None:
    if _REFUSED in request.environ:
        host = request.environ[_REFUSED][:_SHOWN_LETTERS]
        raise TurnedAway(
            HTTPStatus.BAD_REQUEST,
            f"This server does not answer to the name {host!r}. Open it by its own name; whoever runs it sets those "
            "that it has as GROUNDGLASS_HOSTS.",
        )
