from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from model.errors import Busy
from tests.webapp.forms import BROWSER, post_file
from webapp.doors.access import who_asks
from webapp.places import EXTENSION, Places, Room

SLICE = (512, 512)


@pytest.fixture(autouse=True)
def asked(app: Flask) -> Iterator[None]:
    """Somebody asks: places are counted by who it is."""
    with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}):
        yield


def room(*, of_one: int = 6, wait_s: float = 60.0, most_waiting: int = 2) -> Room:
    return Room(10, of_one=of_one, sentence="Full.", wait_s=wait_s, most_waiting=most_waiting)


def test_whoever_finds_no_place_is_turned_away() -> None:
    places = Places(1)
    with places.taken(SLICE), pytest.raises(Busy, match="Send this one again"), places.taken(SLICE):
        raise AssertionError
    with places.taken(SLICE):
        pass


def test_a_place_is_free_again_after_an_error() -> None:
    places = Places(1)
    with pytest.raises(ZeroDivisionError), places.taken(SLICE):
        _ = 1 / 0
    with places.taken(SLICE):
        pass


def test_a_program_is_told_when_to_come_back(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    places = app.extensions[EXTENSION] = Places(1)
    with places.taken(SLICE):
        response = post_file(client, "/predict", phantom)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert "as many slices as it can" in response.get_json()["detail"]
    assert post_file(client, "/predict", phantom).status_code == 200


def test_a_browser_is_told_on_a_page(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    places = app.extensions[EXTENSION] = Places(1)
    with places.taken(SLICE):
        response = post_file(client, "/upload", phantom, headers=BROWSER)
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert "as many slices as it can" in response.text


def test_one_client_leaves_a_place_to_the_others(app: Flask) -> None:
    places = Places(3)
    with places.taken(SLICE), places.taken(SLICE):
        with pytest.raises(Busy), places.taken(SLICE):
            raise AssertionError
        with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.2"}):
            assert who_asks() == "192.0.2.2"
            with places.taken(SLICE):
                pass


def test_room_is_taken_by_size_and_what_is_larger_than_all_of_it_goes_alone() -> None:
    full = room(of_one=10, most_waiting=0)
    with full.taken(7), full.taken(3), pytest.raises(Busy, match="Full."), full.taken(1):
        raise AssertionError
    with full.taken(1_000), pytest.raises(Busy), full.taken(1):
        raise AssertionError
    with full.taken(10):
        pass


def test_who_finds_no_room_waits_until_there_is() -> None:
    full, seen = room(of_one=10), []

    def wait() -> None:
        with full.taken(5):
            seen.append("waited")

    thread = threading.Thread(target=wait)
    with full.taken(8):
        thread.start()
        while not full._waiting.total():
            threading.Event().wait(0.01)
        assert seen == []
        # What is small goes past it.
        with full.taken(2):
            pass
        # No more than one of each client waits here.
        with pytest.raises(Busy), full.taken(5):
            raise AssertionError
    thread.join(30)
    assert seen == ["waited"]


def test_who_waits_in_vain_is_turned_away() -> None:
    full = room(wait_s=0.01)
    with full.taken(6), full.taken(4, "b"), pytest.raises(Busy), full.taken(1, "c"):
        raise AssertionError
    assert not full._waiting


def test_nobody_is_remembered_who_has_left() -> None:
    full = room()
    with full.taken(2, "anna"):
        assert full._taken == {"anna": 2}
    assert full._taken == {}


def test_a_large_picture_takes_the_places_of_several_slices() -> None:
    places = Places(4)
    with places.taken((1024, 513)), pytest.raises(Busy), places.taken(SLICE):
        raise AssertionError
    with places.taken((300, 200)), places.taken((100, 2048)):
        pass


def test_the_largest_picture_finds_room() -> None:
    with Places(4).taken((5000, 4000)):
        pass
