"""The one cookie, signed: it holds what forms are checked by and who has signed in."""

from __future__ import annotations

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface

from webapp.doors.secret import secret_key
from webapp.settings import Settings

NAME = "groundglass"


class _Cookies(SecureCookieSessionInterface):
    """Cookies that a browser sends over https alone, where it came over https.

    The prefix lets it take the cookie from nobody else: no neighbour under the same domain, no plain http.
    """

    def get_cookie_name(self, app: Flask) -> str:
        return f"__Host-{NAME}" if request.is_secure else NAME

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        return "/"

    def get_cookie_domain(self, app: Flask) -> None:
        return None


def init_app(app: Flask, settings: Settings) -> None:
    """Sign the app's cookies.

    Raises
    ------
    ValueError : the secret key can be neither read nor made.
    """
    app.secret_key = secret_key(settings)
    app.session_interface = _Cookies()
    app.config["SESSION_COOKIE_HTTPONLY"] = True
    # Strict would show whoever follows a link to a result as signed out.
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
