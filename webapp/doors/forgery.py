"""Requests that another site lets a visitor's browser send: refused.

Two checks, each of which would do alone in today's browsers:

- A browser says where a request comes from (Sec-Fetch-Site, Origin). What comes from another site and would change
  something is refused before its body is read. Programs send neither header.
- A form carries a token that only pages of this server hold, bound to the visitor's signed cookie.

POST /predict has no form and asks for no token. It takes no cookie as proof of who asks, so that another site can send
it nothing that it could not send by itself; and what a browser does send for another site, the first check refuses. On
that check alone it rests where a proxy asks for a password, which a browser sends by itself.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from webapp.turned_away import TurnedAway
from webapp.uploads.requests import read_form

PROGRAMS = frozenset({"api.predict"})
"""What is sent without a token. Whatever is added to them must not trust cookies."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_ELSEWHERE = (
    "This was sent from a page of another site, and is not done. Open Groundglass itself and send it from there."
)
_NO_TOKEN = (
    "The page that you sent this from is out of date, or your browser keeps no cookies for this site. Allow cookies, "
    "reload the page with the form, and send it again."
)

_tokens = CSRFProtect()


def init_app(app: Flask) -> None:
    """Check every request that is not only for looking."""
    app.config.update(
        # Asked for below, where what goes wrong with the body has its sentences.
        WTF_CSRF_CHECK_DEFAULT=False,
        # As long as the cookie: a form that was left open over night works in the morning.
        WTF_CSRF_TIME_LIMIT=None,
        # The Referer, which some browsers are told to withhold; Origin and Sec-Fetch-Site are looked at instead.
        WTF_CSRF_SSL_STRICT=False,
    )
    _tokens.init_app(app)
    app.before_request(_refuse_forged)


def _refuse_forged() -> None:
    if request.method in _SAFE or request.endpoint is None:
        return
    if _comes_from_elsewhere():
        raise TurnedAway(HTTPStatus.FORBIDDEN, _ELSEWHERE)
    if request.endpoint in PROGRAMS:
        return
    read_form(request)
    try:
        _tokens.protect()
    except CSRFError as exc:
        raise TurnedAway(HTTPStatus.BAD_REQUEST, _NO_TOKEN) from exc


def _comes_from_elsewhere() -> bool:
    """Whether a browser says so. What it says of a request that the visitor typed is "none"."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    # "null" is what a page without a site of its own sends. By host alone: a proxy may not say that it speaks https.
    return origin is not None and _host_of(origin) != request.host


def _host_of(origin: str) -> str | None:
    """Return the host of an origin, with its port; None of what is no origin, which no browser sends."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
