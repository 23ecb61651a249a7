from __future__ import annotations

import io
import socket
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from flask import Flask

from model.errors import BrokenUpload
from webapp.turned_away import TurnedAway
from webapp.uploads import patience
from webapp.uploads.patience import MOST, MOST_OF_ONE, Arrival, Patience


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Client and server, connected."""
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def environ_of(server: socket.socket, length: str) -> dict[str, Any]:
    stream = server.makefile("rb")
    return {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "gunicorn.socket": server, "wsgi.input": stream}


def read_all(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    try:
        pieces = [environ["wsgi.input"].read(1), environ["wsgi.input"].read(1)]
    except BrokenUpload as exc:
        return [str(exc).encode()]
    return pieces


@pytest.mark.parametrize("length", ["1000", "100000000000000", "99999999999999999999", "9" * 400])
def test_a_client_that_never_ends_is_given_up_whatever_length_it_claims(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(patience, "GRACE_S", 0.1)
    monkeypatch.setattr(patience, "LOOKED_AT_EVERY_S", 0.05)
    client, server = ends
    client.sendall(b"a")
    answer = Patience(read_all)(environ_of(server, length), lambda *_: lambda _: None)
    assert b"came too slowly" in b"".join(answer)
    # The answer still reaches it.
    server.sendall(b"400")
    assert client.recv(10) == b"400"


def test_a_client_that_ends_before_its_length_has_broken_off(ends: tuple[socket.socket, socket.socket]) -> None:
    client, server = ends
    client.sendall(b"a")
    client.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionAbortedError):
        Patience(read_all)(environ_of(server, "2"), lambda *_: lambda _: None)


def test_a_whole_body_is_read_as_it_is(ends: tuple[socket.socket, socket.socket]) -> None:
    client, server = ends
    client.sendall(b"ab")
    assert list(Patience(read_all)(environ_of(server, "2"), lambda *_: lambda _: None)) == [b"a", b"b"]


def arrival(client: socket.socket, received: int = 0) -> Arrival:
    return Arrival(client, length=None, began=100.0, received=received)


def test_bytes_that_came_give_time_for_more(ends: tuple[socket.socket, socket.socket]) -> None:
    client, _ = ends
    assert arrival(client).ends_at() == 120.0
    assert arrival(client, 5_000_000).ends_at() == 220.0
    # Twenty minutes in all.
    assert arrival(client, 500_000_000).ends_at() == 1300.0


def test_one_client_has_some_of_the_places_and_all_have_more(ends: tuple[socket.socket, socket.socket]) -> None:
    watched = Patience(read_all)
    arrivals = [arrival(ends[0]) for _ in range(MOST + 2)]
    # As the middleware notes them.
    watched._arriving.update(arrivals)
    for one in arrivals[:MOST_OF_ONE]:
        watched.take(one, "192.0.2.1")
    with pytest.raises(TurnedAway, match="from your address") as refused:
        watched.take(arrivals[MOST_OF_ONE], "192.0.2.1")
    assert (refused.value.status, refused.value.retry_after_s) == (HTTPStatus.TOO_MANY_REQUESTS, 2)
    for one in arrivals[MOST_OF_ONE:MOST]:
        watched.take(one, "192.0.2.2")
    with pytest.raises(TurnedAway, match="as many uploads at once as it can") as refused:
        watched.take(arrivals[MOST], "192.0.2.3")
    assert refused.value.status == HTTPStatus.SERVICE_UNAVAILABLE
    watched.end(arrivals[0])
    watched.take(arrivals[MOST], "192.0.2.3")


def test_an_upload_that_says_it_is_too_long_is_refused_before_it_is_read(app: Flask) -> None:
    environ = {"CONTENT_LENGTH": "100000000000000", "wsgi.input": io.BytesIO(b"--x")}
    response = app.test_client().post("/nowhere", environ_overrides=environ)
    assert response.status_code == 413
    assert "larger than 512 MB" in response.get_json()["detail"]


@pytest.mark.parametrize("environ", [{"REQUEST_METHOD": "GET"}, {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "5"}])
def test_other_requests_and_other_servers_are_left_alone(environ: dict[str, str]) -> None:
    assert list(Patience(lambda environ, start: [b"answer"])(environ, lambda *_: lambda _: None)) == [b"answer"]
