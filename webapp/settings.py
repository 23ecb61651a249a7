"""Strict settings from the environment; an error names the variable and the bad value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from limits import parse_many
from werkzeug.sansio.utils import host_is_trusted

from model.card import SHIPPED_WEIGHTS
from model.threshold import DEFAULT_THRESHOLD
from webapp.addresses import read_networks

PREFIX = "GROUNDGLASS_"

OFF = "off"
"""What a rate is set to where none is wanted."""

LEAST_KEY_LENGTH = 32
"""In characters, of a secret key: 128 bits in hexadecimal."""

_HEADER = re.compile("[A-Za-z0-9-]*")
_NAMES = "names without ports, with commas, ct.example.org say, or be left out"
_PREFIX = re.compile("(/[A-Za-z0-9._~-]+)*/?")


@dataclass(frozen=True)
class Settings:
    """What can be set; each field is read from GROUNDGLASS_ and its name in capitals."""

    weights: Path = SHIPPED_WEIGHTS  # the network to serve
    threads: int = 0  # processor threads of the engine, 0 = one for each core
    threshold: float = DEFAULT_THRESHOLD  # what the form proposes and the API assumes
    max_upload_mb: int = 512  # largest upload, in millions of bytes
    queue: int = 4  # how many volumes may wait while others are read
    result_minutes: float = 30.0  # how long a result can be looked at
    results: Path = Path("instance/results")  # where results wait until they expire
    secret_key_file: Path = Path("instance/secret-key")  # what signs cookies; made where it is not there
    secret_key: str = field(default="", repr=False)  # the same, given; goes before the file
    api_keys_file: Path | None = None  # keys of those who may use the server; python -m webapp.keys makes them
    hosts: str = ""  # names that the server answers to, with commas; all where there are none
    trusted_proxies: str = ""  # addresses and networks of proxies that are believed, with commas
    user_header: str = ""  # in which such a proxy names the user that it has asked
    rate_read: str = "120/minute"  # how often a client may send something to be read, or "off"
    rate_look: str = "3000/minute"  # how often one may look at something: a page of slices is many looks
    rate_sign_in: str = "10/minute"  # how often one may try a key
    redis_url: str = ""  # where volumes are queued for workers elsewhere; read from REDIS_URL, empty = read them here

    def __post_init__(self) -> None:
        _require(self.threads >= 0, "threads", self.threads, "0 or more")
        _require(0.0 < self.threshold < 1.0, "threshold", self.threshold, "above 0 and below 1")
        _require(self.queue >= 1, "queue", self.queue, "1 or more")
        _require(self.max_upload_mb > 0, "max_upload_mb", self.max_upload_mb, "more than 0")
        usable = self.result_minutes > 0.0 and math.isfinite(self.result_minutes)
        _require(usable, "result_minutes", self.result_minutes, "more than 0 and finite")
        for name in self.host_names:
            has_port = ":" in name.rpartition("]")[2]
            is_name = not has_port and host_is_trusted(name.removeprefix("."), None)
            _require(is_name, "hosts", self.hosts, _NAMES)
        # Commas alone would let all names in.
        _require(bool(self.host_names) or not self.hosts, "hosts", self.hosts, _NAMES)
        self._check_proxies()
        for name in ("rate_read", "rate_look", "rate_sign_in"):
            _check_rate(name, getattr(self, name))
        if 0 < len(self.secret_key) < LEAST_KEY_LENGTH:
            # Not by its value, which is nobody's to read.
            raise ValueError(f"{PREFIX}SECRET_KEY must have {LEAST_KEY_LENGTH} characters or more")

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names that the server answers to; none where it answers to all."""
        return tuple(name.strip().lower().removesuffix(".") for name in self.hosts.split(",") if name.strip())

    @property
    def asks_who_it_is(self) -> bool:
        """Whether only those may use the server whom it, or a proxy, knows."""
        return self.api_keys_file is not None or bool(self.user_header)

    def _check_proxies(self) -> None:
        try:
            read_networks(self.trusted_proxies)
        except ValueError as exc:
            raise ValueError(f"{PREFIX}TRUSTED_PROXIES must be addresses or networks with commas: {exc}") from exc
        is_header = _HEADER.fullmatch(self.user_header) is not None
        _require(is_header, "user_header", self.user_header, "the name of a header, X-Remote-User say")
        if self.user_header and not self.trusted_proxies:
            raise ValueError(
                f"{PREFIX}USER_HEADER needs {PREFIX}TRUSTED_PROXIES: anybody can send a header, so that it is believed "
                "from known addresses alone"
            )


def counters_file(settings: Settings) -> Path:
    """Return where requests are counted where there is no Redis: beside the results, among which nothing else lies."""
    return settings.results.with_name(f"{settings.results.name}-rates.sqlite3")


_READERS: dict[str, Callable[[str], object]] = {
    "Path": Path,
    "Path | None": Path,
    "int": int,
    "float": float,
    "str": str,
}
_REDIS = "REDIS_URL"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Parameters
    ----------
    environ : usually os.environ. Beside REDIS_URL, what does not begin with GROUNDGLASS_ is ignored, GROUNDGLASS_DATA
        too, which belongs to training.

    Raises
    ------
    ValueError : a variable is unknown, or its value is not of the right kind or out of range.
    """
    fields = {
        PREFIX + name.upper(): field for name, field in Settings.__dataclass_fields__.items() if name != "redis_url"
    }
    ours = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name != PREFIX + "DATA"}
    unknown = sorted(set(ours) - set(fields))
    if unknown:
        raise ValueError(f"{unknown[0]} is no setting; known are {', '.join(fields)}")
    values = {fields[name].name: _read(name, text, str(fields[name].type)) for name, text in ours.items()}
    return Settings(redis_url=environ.get(_REDIS, ""), **values)  # type: ignore[arg-type]  # Each value was read by its field's own type.


def read_workers(environ: Mapping[str, str]) -> int:
    """Return the number of worker processes from WEB_CONCURRENCY, 2 by default.

    Raises
    ------
    ValueError : it is no whole number of 1 or more.
    """
    text = environ.get("WEB_CONCURRENCY", "2")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"WEB_CONCURRENCY must be a whole number of 1 or more, got {text!r}")
    return int(text)


def read_prefix(environ: Mapping[str, str]) -> str:
    """Return the path below which all is served, from SCRIPT_NAME; empty, the default, where that is the whole host.

    >>> read_prefix({"SCRIPT_NAME": "/ct/"}), read_prefix({"SCRIPT_NAME": "/"}), read_prefix({})
    ('/ct', '', '')

    Raises
    ------
    ValueError : it is no plain path that begins with a slash.
    """
    text = environ.get("SCRIPT_NAME", "")
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"SCRIPT_NAME must be a path that begins with a slash, /ct say, got {text!r}")
    return text.rstrip("/")


def _read(name: str, text: str, kind: str) -> object:
    if not text:
        raise ValueError(f"{name} must be given a value or left out, got ''")
    try:
        return _READERS[kind](text)
    except ValueError as exc:
        raise ValueError(f"{name} must be of type {kind.removesuffix(' | None')}, got {text!r}") from exc


def _check_rate(name: str, text: str) -> None:
    try:
        if text != OFF:
            parse_many(text)
    except ValueError as exc:
        raise ValueError(
            f"{PREFIX}{name.upper()} must be rates like 60/minute or 60/minute;1000/day, or {OFF}, got {text!r}"
        ) from exc


def _require(condition: bool, field: str, value: object, wanted: str) -> None:
    if not condition:
        raise ValueError(f"{PREFIX}{field.upper()} must be {wanted}, got {value!r}")
