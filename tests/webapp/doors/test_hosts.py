from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from tests.webapp.forms import BROWSER


@pytest.fixture
def named(tmp_path: Path) -> FlaskClient:
    hosts = "localhost, 127.0.0.1, [::1], [FE80::1], .example.org, dotted.example.net."
    return create_app({"results": tmp_path / "results", "hosts": hosts}).test_client()


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]", "[::1]:8000", "example.org", "ct.example.org:443"),
        # The root of all names may be written, and a port be empty.
        *("localhost.", "localhost.:8000", "ct.example.org.", "dotted.example.net", "dotted.example.net."),
        *("127.0.0.1:", "[::1]:", "[FE80::1]", "[fe80::1]:8000"),
    ],
)
def test_it_answers_to_its_names(named: FlaskClient, host: str) -> None:
    page = named.get("/docs", headers={"Host": host})
    assert page.status_code == 200
    assert f"http://{host.lower().removesuffix(':')}" in page.text


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "[::2]", "notexample.org", "a b", "", "localhost..", ":"]
)
@pytest.mark.parametrize("address", ["/", "/metrics", "/static/viewer.js", "/static//viewer.js", "/nothing"])
def test_it_refuses_others_with_a_sentence(named: FlaskClient, host: str, address: str) -> None:
    answer = named.get(address, headers={"Host": host})
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert f"does not answer to the name '{host}'" in answer.get_json()["detail"]


def test_people_are_told_by_a_page(named: FlaskClient) -> None:
    page = named.get("/", headers={"Host": "evil.example", **BROWSER})
    assert page.status_code == 400
    assert "GROUNDGLASS_HOSTS" in page.text
    assert "//evil.example" not in page.text


def test_without_names_it_answers_to_all_that_are_some(client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": "ct.example.org"}).status_code == 200
    assert client.get("/", headers={"Host": "a b"}).status_code == 400
