"""Whether the server in this container can read slices, for its health check: python -m webapp.probe

It asks /readyz where HOST, PORT and SCRIPT_NAME say, and names no host, so that GROUNDGLASS_HOSTS needs none for it.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping

WITHIN_S = 5.0
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def complaint(environ: Mapping[str, str]) -> str:
    """Return what is wrong with the server of an environment, as a sentence; nothing where it is ready."""
    host = environ.get("HOST", "127.0.0.1")
    host, port = _ANY.get(host, host), environ.get("PORT", "8000")
    path = environ.get("SCRIPT_NAME", "").rstrip("/") + "/readyz"
    try:
        status = _status(host, int(port), path)
    except (OSError, ValueError, http.client.HTTPException) as exc:
        return f"{path} at {host}, port {port}, does not answer: {exc}"
    return "" if status == http.HTTPStatus.OK else f"{path} answers {status}"


def _status(host: str, port: int, path: str) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=WITHIN_S)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    # An empty sentence would count as a failure.
    sys.exit(complaint(os.environ) or None)
