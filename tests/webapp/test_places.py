from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from model.errors import Busy
from tests.webapp.forms import BROWSER, post_file
from webapp.places import EXTENSION, Places


def test_whoever_finds_no_place_is_turned_away() -> None:
    places = Places(1)
    with places.taken(), pytest.raises(Busy, match="Send this one again"), places.taken():
        raise AssertionError
    with places.taken():
        pass


def test_a_place_is_free_again_after_an_error() -> None:
    places = Places(1)
    with pytest.raises(ZeroDivisionError), places.taken():
        _ = 1 / 0
    with places.taken():
        pass


def test_a_program_is_told_when_to_come_back(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    places = app.extensions[EXTENSION] = Places(1)
    with places.taken():
        response = post_file(client, "/predict", phantom)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert "as many slices as it can" in response.get_json()["detail"]
    assert post_file(client, "/predict", phantom).status_code == 200


def test_a_browser_is_told_on_a_page(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    places = app.extensions[EXTENSION] = Places(1)
    with places.taken():
        response = post_file(client, "/upload", phantom, headers=BROWSER)
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert "as many slices as it can" in response.text
