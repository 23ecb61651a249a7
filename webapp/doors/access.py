"""Who asks, where the settings want to know; what others made is not there for them.

Three ways to show who one is:

- programs send a key: Authorization: Bearer KEY;
- people give the same key once, in a form, and have a signed cookie from then on;
- a reverse proxy that asks for itself names the user in a header, believed from trusted proxies alone.

Addresses are shut unless they are named in OPEN, so that a new page is not left open by being forgotten.
"""

from __future__ import annotations

import hmac
import logging
import time
from http import HTTPStatus

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    g,
    has_request_context,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from webapp.addresses import client_of
from webapp.doors.forgery import PROGRAMS
from webapp.doors.proxies import USER
from webapp.errors import wants_page
from webapp.keys import hash_of, name_of, read_keys
from webapp.results import EXTENSION, NOBODYS, ResultStore
from webapp.settings import Settings
from webapp.turned_away import TurnedAway
from webapp.uploads.requests import current_settings

log = logging.getLogger(__name__)

blueprint = Blueprint("access", __name__)

OPEN = frozenset(
    {
        *("static", "api.healthz", "api.readyz", "access.sign_in", "access.enter", "access.leave"),
        # They hold nothing of anybody's, and say how to get in: every problem leads to a section of docs.page.
        *("docs.page", "docs.document", "guide.help_page"),
    }
)
"""What is answered to everybody."""

SIGNED_IN_S = 12 * 3600
"""After this the key is asked for again: a working day."""

_NO_KEY = (
    "This server wants to know who asks. Send a key with the request, as 'Authorization: Bearer KEY'; whoever runs the "
    "server gives you one."
)
_BAD_KEY = "The key is not known here. Check that it is complete, or ask whoever runs the server for a new one."
_NO_USER = "This server is used through a proxy that asks who you are. Open it at the proxy's address."
_SIGNED_OUT = (
    "You are not signed in any more. Open Groundglass in another tab, sign in, reload this page, and send it again."
)
_NO_KEYS = "The server cannot read who may use it. Try again later; its log says what is wrong."


def init_app(app: Flask, settings: Settings) -> None:
    """Ask of every request whose it is.

    Raises
    ------
    ValueError : the file of keys cannot be read.
    """
    if settings.api_keys_file is not None:
        read_keys(settings.api_keys_file)
    app.register_blueprint(blueprint)
    app.before_request(_shut)
    app.context_processor(lambda: {"signed_in": _KEY in session if settings.api_keys_file else False})


def current_client() -> str:
    """Return whose the current request is; nobody's where it is not asked for."""
    return str(g.get("client", "")) if has_request_context() else ""


def who_asks() -> str:
    """Return what a request counts for: whose it is or, where that is not asked for, the address that it comes from."""
    return current_client() or client_of(request.remote_addr or "")


# What the cookie holds of who has signed in.
_KEY, _PROOF, _UNTIL = "key", "proof", "until"


COUNT_STRANGER = "groundglass-count-stranger"
"""The extension that counts whoever is not let in, and refuses those who come too often."""

SIGN_IN_BYTES = 16_000
"""The most that the forms of access take: a key, a token and an address."""


def _shut() -> BaseResponse | None:
    if request.endpoint in ("access.enter", "access.leave"):
        # They are open to all, and read before anybody is known.
        request.max_content_length = SIGN_IN_BYTES
    if not current_settings().asks_who_it_is or request.endpoint in OPEN:
        return None
    try:
        client = _identify()
    except TurnedAway as refused:
        if refused.status == HTTPStatus.UNAUTHORIZED:
            current_app.extensions[COUNT_STRANGER]()
        raise
    if client is None:
        current_app.extensions[COUNT_STRANGER]()
        return _turn_away()
    g.client = client
    _hide_from(client)
    return None


def _identify() -> str | None:
    """Return who asks, or None; names of keys and names of a proxy's users are apart."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    keys = _keys()
    # Names of schemes are the same in capitals (RFC 9110, 11.1).
    if keys and scheme.lower() == "bearer":
        name = name_of(key.strip(), keys)
        if name is None:
            raise TurnedAway(HTTPStatus.UNAUTHORIZED, _BAD_KEY, headers=_challenge())
        return f"key:{name}"
    if request.environ.get(USER):
        return f"user:{request.environ[USER]}"
    # What programs send is never trusted for a cookie: see webapp.doors.forgery.
    return None if request.endpoint in PROGRAMS else _signed_in(keys)


def _signed_in(keys: dict[str, str]) -> str | None:
    """Return who has signed in, unless it was too long ago or the key was taken back or made anew."""
    name, proof = session.get(_KEY), session.get(_PROOF)
    if name not in keys or session.get(_UNTIL, 0.0) < time.time():
        return None
    return f"key:{name}" if hmac.compare_digest(str(proof), _proof(keys[name])) else None


def _proof(kept: str) -> str:
    """Return what a cookie says of a key: less than what the file holds of it."""
    return hash_of(kept)[:32]


def _keys() -> dict[str, str]:
    """Return the keys that hold now. Read each time, so that one that is taken back is refused at once."""
    path = current_settings().api_keys_file
    if path is None:
        return {}
    try:
        return read_keys(path)
    except ValueError as exc:
        log.error("%s", exc)
        raise TurnedAway(HTTPStatus.SERVICE_UNAVAILABLE, _NO_KEYS) from exc


def _turn_away() -> BaseResponse:
    """Lead people to where they can sign in, and tell programs."""
    if current_settings().api_keys_file is None:
        raise TurnedAway(HTTPStatus.UNAUTHORIZED, _NO_USER, headers=_challenge())
    if not wants_page():
        raise TurnedAway(HTTPStatus.UNAUTHORIZED, _NO_KEY, headers=_challenge())
    if request.method not in ("GET", "HEAD"):
        raise TurnedAway(HTTPStatus.UNAUTHORIZED, _SIGNED_OUT, headers=_challenge())
    wanted = request.script_root + request.full_path.rstrip("?")
    return redirect(url_for("access.sign_in", next=wanted), HTTPStatus.SEE_OTHER)


def _challenge() -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="Groundglass"'}


def _hide_from(client: str) -> None:
    """Let what another made be as what does not exist, for every address that names a result, of today or tomorrow."""
    arguments = request.view_args or {}
    if "result_id" in arguments:
        store: ResultStore = current_app.extensions[EXTENSION]
        if store.owner_of(arguments["result_id"]) != client:
            arguments["result_id"] = NOBODYS


@blueprint.before_request
def _only_where_keys_are_asked_for() -> None:
    if current_settings().api_keys_file is None:
        abort(HTTPStatus.NOT_FOUND)


@blueprint.get("/sign-in")
def sign_in() -> str | Response:
    """Show the form that asks for a key."""
    return _form()


@blueprint.post("/sign-in")
def enter() -> BaseResponse | tuple[str, HTTPStatus]:
    """Take a key, and lead to where its owner wanted to go."""
    keys = _keys()
    name = name_of(request.form.get("key", "").strip(), keys)
    if name is None:
        return _form(sentence=_BAD_KEY), HTTPStatus.FORBIDDEN
    # Nothing of a visitor whom nobody knew is kept, the token of the form included.
    session.clear()
    session.update({_KEY: name, _PROOF: _proof(keys[name]), _UNTIL: time.time() + SIGNED_IN_S})
    return redirect(_here(request.form.get("next", "")), HTTPStatus.SEE_OTHER)


@blueprint.post("/sign-out")
def leave() -> BaseResponse:
    """Forget who signed in."""
    session.clear()
    return redirect(url_for("access.sign_in"), HTTPStatus.SEE_OTHER)


def _form(*, sentence: str = "") -> str:
    return render_template("sign_in.html", next=_here(request.values.get("next", "")), sentence=sentence)


def _here(address: str) -> str:
    """Return an address of this server, for a browser too, which takes // and /\\ for the beginning of another's."""
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_ours else url_for("pages.form")
