"""Clients against a small server of the test, and the arithmetic of their figures."""

from __future__ import annotations

import http.server
import itertools
import sys
import threading
from collections.abc import Iterator

import pytest

from benchmarks.clients import Answer, ask_all, post, summary


class Small(http.server.ThreadingHTTPServer):
    """Turns every third request away."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.turn = itertools.count(1)
        self.addresses: set[str] = set()
        self.bodies: set[bytes] = set()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Small

    def do_POST(self) -> None:
        self.server.addresses.add(self.client_address[0])
        self.server.bodies.add(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(503 if next(self.server.turn) % 3 == 0 else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def small() -> Iterator[Small]:
    with Small() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_picture_is_sent_as_a_file(small: Small) -> None:
    status, headers = post(small.server_address[1], b"a picture")
    assert status == 200
    assert headers["Retry-After"] == "0"
    (body,) = small.bodies
    assert b'name="file"; filename="slice.png"\r\n\r\na picture\r\n' in body


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers to all addresses that begin with 127")
def test_each_client_has_an_address(small: Small) -> None:
    answers = ask_all(small.server_address[1], [b"one", b"two"], clients=3, seconds=0.3)
    assert small.addresses == {"127.0.0.2", "127.0.0.3", "127.0.0.4"}
    assert {answer.status for answer in answers} == {200, 503}
    assert len(small.bodies) == 2


def test_a_server_that_is_gone_is_a_failure() -> None:
    with Small() as server:
        port = server.server_address[1]
    answers = ask_all(port, [b"one"], clients=1, seconds=0.05)
    assert {answer.status for answer in answers} == {0}


def test_its_figures() -> None:
    answers = [
        # Too early to count for the rate.
        Answer(200, at=100.3, seconds=0.3),
        Answer(200, at=101.0, seconds=1.0),
        Answer(200, at=103.0, seconds=3.0),
        Answer(503, at=101.5, seconds=0.1),
        Answer(500, at=101.5, seconds=0.1),
        Answer(0, at=101.5, seconds=0.1),
        # Too late to count for the rate.
        Answer(200, at=104.5, seconds=2.0),
    ]
    told = summary(answers, clients=2, seconds=4.0, until=104.0)
    assert told == {
        "clients": 2,
        "seconds": 4.0,
        "requests": 7,
        "turned_away": 1,
        "failed": 2,
        "per_second": pytest.approx(2 / 3.6),
        "p50_s": 1.5,
        "p95_s": pytest.approx(2.85),
        "max_s": 3.0,
    }


def test_where_nobody_was_answered_there_are_no_times() -> None:
    told = summary([Answer(503, 1.0, 0.1)], clients=1, seconds=1.0, until=2.0)
    assert (told["per_second"], told["p50_s"], told["p95_s"], told["max_s"]) == (0.0, None, None, None)
