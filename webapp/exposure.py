"""How far a server can be reached: by which names, and the warning where it asks nobody who they are."""

from __future__ import annotations

from collections.abc import Sequence

from webapp.addresses import is_loopback
from webapp.settings import Settings

_WARNING = """\
**********************************************************************
WARNING: everybody who can reach this machine can use Groundglass.

It listens on {host}, not on this machine alone, and asks nobody who
they are. Others can send scans, and fill its queue and its disk.
What they send crosses the network unencrypted unless a proxy with
TLS stands before it.
{names}
Do one of these:
  - Listen on this machine alone: HOST=127.0.0.1 (the default).
  - Ask for keys: make one by
        python -m webapp.keys new NAME --file instance/api-keys
    and set GROUNDGLASS_API_KEYS_FILE=instance/api-keys
  - Let a reverse proxy ask who it is: GROUNDGLASS_USER_HEADER and
    GROUNDGLASS_TRUSTED_PROXIES.
docs/security.md tells how.
**********************************************************************
"""


_ALL_NAMES = """\
It answers to every name, so that any web site that a user visits
can reach it too: set GROUNDGLASS_HOSTS to the server's own names.
"""

_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")


def warning(hosts: Sequence[str], settings: Settings) -> str:
    """Return what is to be told of a server that listens at some hosts; nothing where it is shut or alone."""
    reached = [host for host in hosts if not is_loopback(host)]
    if settings.asks_who_it_is or not reached:
        return ""
    return _WARNING.format(host=" and ".join(reached), names="" if settings.host_names else _ALL_NAMES)


def usual_names(hosts: Sequence[str]) -> str:
    """Return the names, with commas, that a server answers to by itself; none, which is all, where others reach it.

    hosts : the addresses where it listens; files, which no browser opens, left out.
    """
    if not hosts or not all(map(is_loopback, hosts)):
        return ""
    listening = [f"[{host}]" if ":" in host else host for host in hosts]
    return ",".join(dict.fromkeys((*_OF_THIS_MACHINE, *listening)))
