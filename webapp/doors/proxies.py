"""What a reverse proxy says of a request, believed where it comes from one that is trusted, and dropped elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.addresses import is_in, read_networks
from webapp.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

USER = "groundglass.user"
"""Where in the environment of a request the user stands whom a trusted proxy names."""


class TrustedProxies:
    """Takes the client's address, https and the user from the headers of trusted proxies."""

    def __init__(self, app: WSGIApplication, settings: Settings) -> None:
        self._app = app
        self._networks = read_networks(settings.trusted_proxies)
        self._user_key = "HTTP_" + settings.user_header.upper().replace("-", "_") if settings.user_header else None
        # One proxy, the last: what stands before its own words was sent by the client and can be anything. The host is
        # not among them, since few proxies set that header: they are to pass on Host.
        self._behind = ProxyFix(app, x_for=1, x_proto=1, x_host=0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        user = environ.pop(self._user_key, "") if self._user_key else ""
        if not is_in(environ.get("REMOTE_ADDR", ""), self._networks):
            return self._app(environ, start_response)
        environ[USER] = user.strip()
        return self._behind(environ, start_response)


def init_app(app: Flask, settings: Settings) -> None:
    """Let requests come through the proxies of the settings."""
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings)  # type: ignore[method-assign]  # Flask's own way to wrap it.
