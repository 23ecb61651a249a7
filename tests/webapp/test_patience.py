from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from webapp import patience
from webapp.patience import Patience, seconds


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Client and server, connected."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def read_all(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    received = b""
    while chunk := environ["gunicorn.socket"].recv(10):
        received += chunk
    return [received]


def test_a_client_that_never_ends_looks_broken_off(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "GRACE_S", 0.1)
    client, server = ends
    client.sendall(b"a byte")
    answer = Patience(read_all)(
        {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "1000", "gunicorn.socket": server}, lambda *_: lambda _: None
    )
    assert list(answer) == [b"a byte"]
    # The answer still reaches it.
    server.sendall(b"400")
    assert client.recv(10) == b"400"


def test_a_large_upload_has_more_time() -> None:
    assert seconds({"CONTENT_LENGTH": "0"}) == 60.0
    assert seconds({"CONTENT_LENGTH": "5000000"}) == 160.0


@pytest.mark.parametrize("environ", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "-5"}])
def test_an_upload_of_unknown_length_has_ten_minutes(environ: dict[str, str]) -> None:
    assert seconds(environ) == 600.0


@pytest.mark.parametrize("environ", [{"REQUEST_METHOD": "GET"}, {"REQUEST_METHOD": "POST"}])
def test_other_requests_and_other_servers_are_left_alone(environ: dict[str, str]) -> None:
    assert list(Patience(lambda environ, start: [b"answer"])(environ, lambda *_: lambda _: None)) == [b"answer"]
