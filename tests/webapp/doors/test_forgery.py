from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.webapp.forms import BROWSER, post_file, token_of
from webapp.doors.forgery import PROGRAMS

TEMPLATES = sorted((Path(__file__).parents[3] / "templates").rglob("*.html"))


def send(client: FlaskClient, data: bytes, token: str | None, **headers: str) -> TestResponse:
    form: dict[str, object] = {"file": (io.BytesIO(data), "a.png")}
    if token is not None:
        form["csrf_token"] = token
    return client.post("/upload", data=form, headers=BROWSER | headers)


def sentence_of(answer: TestResponse) -> str:
    return " ".join(answer.text.partition('id="sentence">')[2].partition("<")[0].split())


def addresses(app: Flask) -> list[tuple[str, str, str]]:
    """Return endpoint, method and address of everything that is not only for looking."""
    rules = [(rule, rule.methods or set()) for rule in app.url_map.iter_rules()]
    return [
        (rule.endpoint, method, rule.build({name: "0" for name in rule.arguments})[1])  # type: ignore[index]  # No rule builds to None from all its arguments.
        for rule, methods in rules
        for method in sorted(methods - {"GET", "HEAD", "OPTIONS"})
    ]


def test_all_that_changes_something_asks_for_a_token_but_predict(app: Flask, client: FlaskClient) -> None:
    asked = addresses(app)
    assert {endpoint for endpoint, _, _ in asked} >= {"pages.upload", "api.predict"}
    assert PROGRAMS == {"api.predict"}
    for endpoint, method, address in asked:
        answer = client.open(address, method=method, headers=BROWSER)
        assert answer.status_code == 400
        assert ("reload the page with the form" in answer.text) == (endpoint not in PROGRAMS), address


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_posts_carries_the_token(path: Path) -> None:
    forms = re.findall(r"<form\b.*?</form>", path.read_text(encoding="utf-8"), re.DOTALL)
    for form in forms:
        if 'method="post"' in form:
            assert '<input type="hidden" name="csrf_token" value="{{ csrf_token() }}">' in form


@pytest.mark.parametrize("token", [None, "", "made-up"])
def test_without_its_token_an_upload_is_refused_with_what_to_do(
    client: FlaskClient, phantom: bytes, token: str | None
) -> None:
    client.get("/")
    answer = send(client, phantom, token)
    assert answer.status_code == 400
    assert sentence_of(answer).endswith("Allow cookies, reload the page with the form, and send it again.")


def test_a_token_without_its_cookie_is_refused(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    token = token_of(app.test_client().get("/").text)
    assert send(client, phantom, token).status_code == 400


def test_a_token_of_another_visitor_is_refused(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    client.get("/")
    token = token_of(app.test_client().get("/").text)
    assert send(client, phantom, token).status_code == 400


def test_a_form_that_was_left_open_still_works(client: FlaskClient, phantom: bytes) -> None:
    token = token_of(client.get("/").text)
    # Another tab was opened and used since.
    assert send(client, phantom, token_of(client.get("/upload").text)).status_code == 303
    assert send(client, phantom, token).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "http://localhost:8001"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_what_a_browser_sends_for_another_site_is_refused(
    client: FlaskClient, phantom: bytes, headers: dict[str, str], status: int
) -> None:
    assert send(client, phantom, token_of(client.get("/").text), **headers).status_code == status


def test_predict_takes_nothing_that_a_browser_sends_for_another_site(client: FlaskClient, phantom: bytes) -> None:
    answer = post_file(client, "/predict", phantom, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert answer.json is not None
    assert "page of another site" in answer.json["detail"]
    assert post_file(client, "/predict", phantom).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/upload", "/sign-in"])
def test_an_origin_that_is_no_address_is_refused(client: FlaskClient, path: str) -> None:
    response = client.post(path, headers={"Origin": "http://["})
    assert response.status_code == 403
    assert "page of another site" in response.get_json()["detail"]


def test_looking_needs_no_token_wherever_the_link_was(client: FlaskClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
