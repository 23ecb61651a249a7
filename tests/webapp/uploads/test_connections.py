"""Connections that keep a server waiting, many of them, on the real gunicorn: pages are answered meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator

import pytest
from gunicorn.workers.gthread import ThreadWorker

from tests.test_server import Server, start, stop
from webapp.company import WORKERS
from webapp.uploads.connections import HEAD_START_S, Worker
from webapp.uploads.patience import MOST_OF_ONE

MANY = 150

UPLOAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
BEGUN = [
    pytest.param(UPLOAD + b"Content-Length: 1999999\r\n\r\n--x\r\n", id="body"),
    pytest.param(UPLOAD + b"Content-Length: 100000000000000\r\n\r\n--x\r\n", id="body of a false length"),
    pytest.param(UPLOAD + b"Content-Length: 99999999999999999999\r\n\r\n--x\r\n", id="body of no length in the world"),
    pytest.param(UPLOAD + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n--x\r\n", id="chunk"),
    pytest.param(
        b"GET /help HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", id="body that nobody reads"
    ),
    pytest.param(b"GET /help HTTP/1.1\r\nHo", id="head"),
    pytest.param(b"GET /help HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", id="end"),
    pytest.param(b"", id="nothing"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("server"), GROUNDGLASS_RATE_READ="off", WEB_CONCURRENCY="1")
    yield server
    stop(server)


def answers(server: Server) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200


@pytest.mark.parametrize("begun", BEGUN)
def test_many_that_send_drop_by_drop_keep_no_page_waiting(server: Server, begun: bytes) -> None:
    with contextlib.ExitStack() as open_ones:
        clients = []
        for _ in range(MANY):
            client = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            client.sendall(begun)
            clients.append(client)
        for _ in range(3):
            for client in clients:
                # Some have been turned away.
                with contextlib.suppress(OSError):
                    client.sendall(b"a")
            assert answers(server)
            time.sleep(0.2)
    assert "Traceback" not in server.log.read_text()
    assert '"critical"' not in server.log.read_text()


def test_who_drips_is_told_to_come_again(server: Server) -> None:
    with contextlib.ExitStack() as open_ones:
        clients = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            for _ in range(MOST_OF_ONE + 1)
        ]
        for client in clients:
            client.sendall(UPLOAD + b"Content-Length: 1000\r\n\r\n--x\r\n")
        # One of them is too many; which of them, is the server's to choose.
        told = b""
        deadline = time.monotonic() + 10
        while not told:
            assert time.monotonic() < deadline
            for client in clients:
                client.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    told = told or client.recv(4096)
        assert told.startswith(b"HTTP/1.1 429")
        assert b"Retry-After: 2" in told


def test_a_head_in_pieces_is_answered(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        for piece in (b"GET /healthz HT", b"TP/1.1\r\nHost: localhost\r\n", b"Connection: close\r\n\r", b"\n"):
            client.sendall(piece)
            time.sleep(0.05)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_two_requests_in_one_piece_are_answered_both(server: Server) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request + last[:20])
        time.sleep(0.1)
        client.sendall(last[20:])
        with client.makefile("rb") as stream:
            assert stream.read().count(b"HTTP/1.1 200") == 2


def test_an_endless_head_is_closed(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client, contextlib.suppress(OSError):
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        assert client.recv(10) == b""
    assert answers(server)


@pytest.mark.parametrize(("busier", "done"), [(True, [HEAD_START_S, "accepted"]), (False, ["accepted"])])
def test_a_busier_process_lets_another_accept_first(
    busier: bool, done: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(WORKERS, "is_busier", lambda: busier)
    monkeypatch.setattr(time, "sleep", seen.append)
    monkeypatch.setattr(ThreadWorker, "accept", lambda worker, listener: seen.append("accepted"))
    Worker.__new__(Worker).accept(None)
    assert seen == done
