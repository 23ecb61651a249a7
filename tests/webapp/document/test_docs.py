from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.webapp.forms import BROWSER, post_file
from tests.webapp.schemas import complaints, document_of
from webapp.document.docs import EXAMPLES, problems
from webapp.document.operations import OPERATIONS
from webapp.uploads.options import PredictOptions


def test_the_page_shows_each_operation_option_and_example(client: FlaskClient) -> None:
    page = client.get("/docs", headers=BROWSER).text
    for name in (*PredictOptions.model_fields, *(endpoint.rpartition(".")[2] for endpoint in OPERATIONS)):
        assert re.search(rf"\b{name}\b", page), name
    assert page.count("<pre") == len(EXAMPLES)
    assert "<script" not in page


def test_its_top_leads_to_each_operation(client: FlaskClient) -> None:
    page = client.get("/docs", headers=BROWSER).text
    top = page.partition("<section")[0]
    for endpoint in OPERATIONS:
        name = endpoint.rpartition(".")[2]
        assert top.count(f'href="#{name}"') == 1
        assert page.count(f'id="{name}"') == 1


def test_the_examples_ask_the_server_that_shows_them(client: FlaskClient) -> None:
    page = client.get("/docs", base_url="https://ct.example.org").text
    assert "SERVER=${SERVER:-https://ct.example.org}" in page
    assert "127.0.0.1" not in page


def test_the_document_is_made_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    told = client.get("/openapi.json").get_json()
    monkeypatch.setattr("webapp.document.docs.build_document", pytest.fail)
    assert client.get("/openapi.json").get_json() == told
    assert client.get("/docs").status_code == 200


def test_it_tells_how_a_key_is_sent(client: FlaskClient) -> None:
    assert "Authorization: Bearer KEY" in client.get("/docs").text


def test_it_explains_each_problem_once(client: FlaskClient) -> None:
    page = client.get("/docs").text
    kinds = [problem.kind for problem in problems()]
    assert len(kinds) == len(set(kinds))
    for kind in kinds:
        assert page.count(f'id="problem-{kind}"') == 1
    assert all(problem.meaning for problem in problems())


def test_every_page_leads_to_it(client: FlaskClient) -> None:
    assert 'href="/docs"' in client.get("/", headers=BROWSER).text


@pytest.mark.parametrize(
    ("method", "address", "kind", "status"),
    [
        ("GET", "/nothing", "not-found", 404),
        ("GET", "/predict", "method-not-allowed", 405),
        ("POST", "/predict", "missing-file", 400),
        ("GET", "/jobs/" + "0" * 32, "not-found", 404),
        ("GET", "/fail", "internal-server-error", 500),
    ],
)
def test_problems_are_as_described_and_lead_to_their_section(
    app: Flask, method: str, address: str, kind: str, status: int
) -> None:
    def fail() -> str:
        raise RuntimeError

    app.add_url_rule("/fail", view_func=fail)
    client = app.test_client()
    response = client.open(address, method=method)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    assert complaints(document_of(client), "ProblemDetails", response.get_json()) == []
    assert response.get_json()["type"] == f"/docs#problem-{kind}"
    assert f'id="problem-{kind}"' in client.get("/docs").text


def test_a_kind_has_one_title(client: FlaskClient) -> None:
    problem = post_file(client, "/predict?threshold=2", b"x").get_json()
    assert (problem["type"], problem["title"]) == ("/docs#problem-invalid-option", "Invalid option")
