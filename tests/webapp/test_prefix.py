"""The app below a prefix: every address that it tells begins with it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from tests.test_server import start, stop
from tests.webapp.forms import BROWSER, token_of
from tests.webapp.scans import nifti
from tests.webapp.test_volumes import queue_of
from webapp.keys import add_key

BELOW = {"SCRIPT_NAME": "/ct"}
ADDRESS = re.compile(r'(?:href|src|action|data-[a-z-]+)="(/[^"]*)"')


def look(client: FlaskClient, address: str) -> TestResponse:
    return client.get(address, headers=BROWSER, environ_overrides=BELOW)


def addresses_on(client: FlaskClient, address: str) -> list[str]:
    """Return all addresses of a page, links, pictures, scripts and what scripts fetch."""
    page = look(client, address)
    assert page.status_code in (200, 404), page.text
    found = ADDRESS.findall(page.text.replace("&amp;", "&"))
    assert found != []
    return found


def send(client: FlaskClient, data: bytes, name: str) -> str:
    """Upload by the form; return the address of the result below the prefix."""
    fields = {"csrf_token": token_of(look(client, "/").text), "file": (io.BytesIO(data), name)}
    answer = client.post("/upload", data=fields, headers=BROWSER, environ_overrides=BELOW)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ct/results/")
    return answer.headers["Location"].removeprefix("/ct")


@pytest.mark.parametrize("address", ["/", "/help", "/docs", "/nothing", "/results/" + "0" * 32])
def test_every_page_stays_below_the_prefix(client: FlaskClient, address: str) -> None:
    assert [found for found in addresses_on(client, address) if not found.startswith("/ct/")] == []


def test_results_and_all_that_they_load_stay_below_the_prefix(app: Flask, phantom: bytes) -> None:
    client = app.test_client()
    volume, slice_ = send(client, nifti("many", "none"), "scan.nii"), send(client, phantom, "a.png")
    waiting = addresses_on(client, volume)
    queue_of(app).work_once()
    for address in {*waiting, *addresses_on(client, volume), *addresses_on(client, slice_)}:
        assert address.startswith("/ct/"), address
        if "KIND" in address or "/sign-" in address:
            # A pattern that scripts fill in.
            continue
        with look(client, address.removeprefix("/ct")) as answer:
            assert answer.status_code == 200, address


def test_programs_are_led_below_the_prefix(app: Flask) -> None:
    client = app.test_client()
    data = {"file": (io.BytesIO(nifti("one", "none")), "scan.nii")}
    answer = client.post("/predict", data=data, environ_overrides=BELOW)
    assert answer.headers["Location"].startswith("/ct/jobs/")
    assert answer.get_json()["page"].startswith("/ct/results/")
    assert look(client, "/openapi.json").get_json()["servers"] == [{"url": "/ct"}]
    assert client.get("/openapi.json").get_json()["servers"] == [{"url": "/"}]
    assert "SERVER=${SERVER:-http://localhost/ct}" in look(client, "/docs").text


def test_whoever_signs_in_comes_back_below_the_prefix(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "anna")
    client = create_app({"results": tmp_path / "results", "api_keys_file": tmp_path / "keys"}).test_client()
    asked = look(client, "/")
    assert asked.headers["Location"] == "/ct/sign-in?next=/ct/"
    form = look(client, asked.headers["Location"].removeprefix("/ct"))
    fields = {"csrf_token": token_of(form.text), "key": key, "next": "/ct/"}
    assert 'name="next" value="/ct/"' in form.text
    answer = client.post("/sign-in", data=fields, headers=BROWSER, environ_overrides=BELOW)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ct/")


def test_outside_the_prefix_there_is_nothing(tmp_path: Path) -> None:
    server = start(tmp_path, SCRIPT_NAME="/ct/", WEB_CONCURRENCY="1")
    try:
        found = {path: server.ask("GET", path)[0] for path in ("/ct/help", "/ct", "/", "/help", "/ctx", "/ct%2fhelp")}
        sent = server.ask("GET", "/help", SCRIPT_NAME="/")[0]
    finally:
        stop(server)
    assert found == {"/ct/help": 200, "/ct": 308, "/": 404, "/help": 404, "/ctx": 404, "/ct%2fhelp": 200}
    assert sent == 404
