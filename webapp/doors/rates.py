"""How often a client may ask, over all processes of the server: by a file or, where there is one, by Redis.

Counted are names where the server knows them, and addresses elsewhere; both only as a hash with the secret key, so that
no file tells who was here. Where the counts cannot be kept, everybody is let in, and the log says so.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import time
from http import HTTPStatus

from flask import Flask, request
from limits import RateLimitItem, parse_many
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from webapp.addresses import client_of
from webapp.doors.access import COUNT_STRANGER, who_asks
from webapp.doors.counters import FileCounters
from webapp.settings import OFF, Settings, counters_file
from webapp.turned_away import TurnedAway

log = logging.getLogger(__name__)

UNCOUNTED = frozenset({"static", "api.healthz", "api.readyz", "monitor.figures"})
"""What machines ask for again and again, or costs nothing."""

READING = frozenset({"why.explanation", "why.slice_explanation", "report.slice_report"})
"""What is looked at and costs as much as to read a slice; all that is sent does, but for the forms of access."""

SIGNING_IN = frozenset({"access.enter"})
_FREE_TO_SEND = frozenset({"access.leave"})

_TELL_EVERY_S = 60.0

_SENTENCES = {
    "read": "More was sent from your address than this server reads in so short a time.",
    "look": "More was asked for from your address than this server answers in so short a time.",
    "sign_in": "Too many keys were tried from your address.",
}


class Rates:
    """The rates of one server, and what they are counted in."""

    def __init__(self, settings: Settings, storage: Storage, *, secret: bytes) -> None:
        self._limits = {
            kind: () if text == OFF else tuple(parse_many(text))
            for kind, text in (
                ("read", settings.rate_read),
                ("look", settings.rate_look),
                ("sign_in", settings.rate_sign_in),
                ("stranger", settings.rate_sign_in),
                ("stranger_looks", settings.rate_look),
            )
        }
        self._storage, self._limiter, self._secret = storage, FixedWindowRateLimiter(storage), secret
        self._told = -math.inf

    def wait_s(self, kind: str, client: str) -> int:
        """Count a request; return after how many seconds it may come again, 0 where it may now."""
        who = hmac.new(self._secret, client.encode(), hashlib.sha256).hexdigest()[:32]
        try:
            return max((self._wait_s(limit, kind, who) for limit in self._limits[kind]), default=0)
        except self._failures() as exc:
            self._tell(exc)
            return 0

    def _wait_s(self, limit: RateLimitItem, kind: str, who: str) -> int:
        if self._limiter.hit(limit, kind, who):
            return 0
        reset = self._limiter.get_window_stats(limit, kind, who).reset_time
        return max(1, math.ceil(reset - time.time()))

    def _failures(self) -> tuple[type[Exception], ...]:
        kinds = self._storage.base_exceptions
        return kinds if isinstance(kinds, tuple) else (kinds,)

    def _tell(self, exc: Exception) -> None:
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            log.error("requests cannot be counted, and nobody is held back: %s", exc)


def init_app(app: Flask, settings: Settings) -> None:
    """Count every request but those of UNCOUNTED."""
    rates = Rates(settings, _storage(settings), secret=str(app.secret_key).encode())

    def hold_back() -> None:
        kind = _kind()
        wait_s = 0 if kind is None else rates.wait_s(kind, who_asks())
        if wait_s and kind is not None:
            raise TurnedAway(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{_SENTENCES[kind]} Try again in {wait_s} {'second' if wait_s == 1 else 'seconds'}.",
                retry_after_s=wait_s,
            )

    def count_stranger() -> None:
        # By address, beside the tries in the form: looking around is cheap, a key or an upload is not.
        is_look = request.method in ("GET", "HEAD", "OPTIONS") and "Authorization" not in request.headers
        wait_s = rates.wait_s("stranger_looks" if is_look else "stranger", client_of(request.remote_addr or ""))
        if wait_s:
            raise TurnedAway(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"This server does not know you, and you ask too often. Try again in {wait_s} seconds.",
                retry_after_s=wait_s,
            )

    app.extensions[COUNT_STRANGER] = count_stranger
    app.before_request(hold_back)


def _storage(settings: Settings) -> Storage:
    if not settings.redis_url:
        return FileCounters(counters_file(settings))
    # The library's own way to say that Redis is reached by a file.
    address = settings.redis_url.replace("unix://", "redis+unix://", 1)
    storage = storage_from_string(address)
    if not isinstance(storage, Storage):
        raise ValueError(f"REDIS_URL must name a Redis for programs that wait, got {settings.redis_url!r}")
    return storage


def _kind() -> str | None:
    """Return which rate a request counts for."""
    if request.endpoint in UNCOUNTED:
        return None
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return "read" if request.endpoint in READING else "look"
    if request.endpoint in SIGNING_IN:
        return "sign_in"
    return "look" if request.endpoint in _FREE_TO_SEND else "read"
