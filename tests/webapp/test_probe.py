"""The health check of a container, against servers that answer what they are told to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks.serving import free_port
from webapp.probe import complaint

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def answering(status: int) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server that answers everything with one status; give its port, and the paths and hosts that it is asked for."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Host"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield str(server.server_port), asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_a_server_that_is_ready_is_healthy(host: str) -> None:
    with answering(200) as (port, asked):
        assert complaint({"HOST": host, "PORT": port}) == ""
    # No name, since GROUNDGLASS_HOSTS need not hold any of this machine.
    assert asked == [("/readyz", None)]


def test_it_asks_below_the_prefix() -> None:
    with answering(200) as (port, asked):
        assert complaint({"PORT": port, "SCRIPT_NAME": "/ct/"}) == ""
    assert asked == [("/ct/readyz", None)]


def test_a_server_without_weights_is_not_healthy() -> None:
    with answering(503) as (port, _):
        assert complaint({"PORT": port}) == "/readyz answers 503"


def test_no_server_is_not_healthy() -> None:
    port = free_port()
    assert complaint({"PORT": str(port)}).startswith(f"/readyz at 127.0.0.1, port {port}, does not answer: ")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_its_exit_status_says_so(status: int, code: int) -> None:
    with answering(status) as (port, _):
        environment = {**os.environ, "HOST": "127.0.0.1", "PORT": port}
        command = [sys.executable, "-m", "webapp.probe"]
        assert subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60).returncode == code
