from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from tests.webapp.forms import post_file


def parts(cookie: str) -> set[str]:
    return set(cookie.split("; ")[1:])


def test_over_https_the_cookie_is_for_this_host_and_https_alone(client: FlaskClient) -> None:
    cookie = client.get("/", base_url="https://ct.example").headers["Set-Cookie"]
    assert cookie.startswith("__Host-groundglass=")
    assert parts(cookie) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


def test_over_plain_http_the_cookie_still_comes_back(client: FlaskClient) -> None:
    cookie = client.get("/").headers["Set-Cookie"]
    assert cookie.startswith("groundglass=")
    assert parts(cookie) == {"HttpOnly", "Path=/", "SameSite=Lax"}


def test_a_cookie_of_plain_http_counts_for_nothing_over_https(client: FlaskClient, phantom: bytes) -> None:
    token_and_cookie = post_file(client, "/upload", phantom)
    assert token_and_cookie.status_code == 303
    value = client.get_cookie("groundglass")
    assert value is not None
    client.set_cookie("groundglass", value.value, domain="ct.example")
    answer = client.get("/", base_url="https://ct.example", headers={"Cookie": f"groundglass={value.value}"})
    # It is given a new one, as a visitor whom nobody knows.
    assert answer.headers["Set-Cookie"].startswith("__Host-groundglass=")


def test_pages_without_a_form_set_no_cookie(client: FlaskClient) -> None:
    for address in ("/healthz", "/static/upload.js", "/results/" + "0" * 32):
        with client.get(address) as answer:
            assert "Set-Cookie" not in answer.headers


def test_a_cookie_of_another_server_is_no_cookie(tmp_path: Path, phantom: bytes) -> None:
    here, there = (
        create_app({"results": tmp_path / "results", "secret_key_file": tmp_path / name}).test_client()
        for name in ("one", "another")
    )
    there.get("/")
    foreign = there.get_cookie("groundglass")
    assert foreign is not None
    here.set_cookie("groundglass", foreign.value)
    assert "Set-Cookie" in here.get("/").headers


@pytest.mark.parametrize("address", ["/", "/upload"])
def test_forms_are_kept_by_no_cache(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Cookie" in answer.headers["Vary"]
