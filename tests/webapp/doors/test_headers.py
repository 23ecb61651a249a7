from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from webapp.doors.headers import CACHED, HEADERS

TEMPLATES = sorted((Path(__file__).parents[3] / "templates").rglob("*.html"))


def every_answer(app: Flask, client: FlaskClient) -> Iterator[tuple[str, int, Headers]]:
    """Yield path, status and headers for each address and method, most of them errors: nothing was uploaded."""
    for rule in app.url_map.iter_rules():
        built = rule.build({name: "1" for name in rule.arguments})
        assert built is not None
        for method in sorted({"GET", "POST", "PUT", "OPTIONS", *(rule.methods or ())}):
            with client.open(built[1], method=method) as answer:
                yield built[1], answer.status_code, answer.headers


def test_every_answer_of_every_address_has_the_headers(app: Flask, client: FlaskClient) -> None:
    seen = set()
    for path, status, headers in every_answer(app, client):
        seen.add(status)
        for name, value in HEADERS.items():
            assert headers.getlist(name) == [value], path
    assert seen >= {200, 400, 404, 405}


def test_nothing_may_be_kept_by_a_cache_but_static_files(app: Flask, client: FlaskClient) -> None:
    assert CACHED == {"static", "viewer.colours"}
    for path, status, headers in every_answer(app, client):
        kept = path.startswith(("/static/", "/colours.json")) and status < 400
        assert kept or headers["Cache-Control"] == "no-store", path
    with client.get("/static/upload.js") as script:
        assert "no-store" not in script.headers["Cache-Control"]


def test_an_error_of_our_own_making_has_the_headers(app: Flask) -> None:
    app.add_url_rule("/broken", view_func=lambda: str(1 // 0))
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_https_is_insisted_on_only_over_https(client: FlaskClient) -> None:
    assert "Strict-Transport-Security" not in client.get("/").headers
    answer = client.get("/", base_url="https://ct.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    for kind in ("script-src", "style-src", "connect-src", "form-action"):
        assert policy[kind] == "'self'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert not re.search(r"https?:|\*|data:", HEADERS["Content-Security-Policy"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_script_or_style_of_its_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_what_may_be_done_with_a_static_file_is_not_kept(client: FlaskClient) -> None:
    assert client.options("/static/viewer.js").headers["Cache-Control"] == "no-store"
    with client.get("/static/viewer.js") as answer:
        assert answer.headers["Cache-Control"] != "no-store"
