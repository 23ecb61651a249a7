"""A server that others can reach and that asks nobody who they are: told at the start."""

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


def warning(hosts: Sequence[str], settings: Settings) -> str:
    """Return what is to be told of a server that listens at some hosts; nothing where it is shut or alone."""
    reached = [host for host in hosts if not is_loopback(host)]
    return "" if settings.asks_who_it_is or not reached else _WARNING.format(host=" and ".join(reached))
