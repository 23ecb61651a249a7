from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from app import create_app
from tests.webapp.forms import post_file
from tests.webapp.scans import nifti, zipped
from tests.webapp.schemas import complaints, document_of
from tests.webapp.test_volumes import queue_of
from webapp.document.operations import OPERATIONS
from webapp.keys import add_key
from webapp.uploads.options import PredictOptions


def test_the_document_is_valid(client: FlaskClient) -> None:
    validate(document_of(client))


def test_it_describes_each_operation_of_the_api(app: Flask, client: FlaskClient) -> None:
    described = {
        operation["operationId"] for path in document_of(client)["paths"].values() for operation in path.values()
    }
    assert described == {endpoint.rpartition(".")[2] for endpoint in OPERATIONS}
    assert {endpoint for endpoint in app.view_functions if endpoint.startswith("api.")} <= set(OPERATIONS)


def test_options_are_in_the_address_or_in_the_form(client: FlaskClient) -> None:
    document = document_of(client)
    in_address = {parameter["name"] for parameter in document["paths"]["/predict"]["post"]["parameters"]}
    assert in_address == set(PredictOptions.model_fields)
    assert set(document["components"]["schemas"]["Upload"]["properties"]) == in_address | {"file"}


def test_it_tells_the_defaults_of_this_server() -> None:
    document = document_of(create_app({"threshold": 0.3}).test_client())
    assert document["components"]["schemas"]["Upload"]["properties"]["threshold"]["default"] == 0.3


def test_it_tells_where_a_key_is_asked_for(client: FlaskClient, tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "anna")
    shut = document_of(create_app({"api_keys_file": tmp_path / "keys"}).test_client())
    validate(shut)
    assert shut["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert shut["security"] == [{"key": []}]
    assert "security" not in shut["paths"]["/predict"]["post"]
    assert shut["paths"]["/healthz"]["get"]["security"] == []
    # A server that does not ask takes requests with a key, too.
    assert {} in document_of(client)["security"]


def test_a_slice_answers_as_described(client: FlaskClient, phantom: bytes) -> None:
    answer = post_file(client, "/predict?output=json", phantom).get_json()
    assert complaints(document_of(client), "SliceAnswer", answer) == []


@pytest.mark.parametrize("data", [nifti("one", "none"), zipped({"a.png": b"?"})], ids=["volume", "nothing in it"])
def test_a_job_answers_as_described(app: Flask, data: bytes) -> None:
    client, document = app.test_client(), document_of(app.test_client())
    response = post_file(client, "/predict", data)
    assert complaints(document, "Job", response.get_json()) == []
    queue_of(app).work_once()
    assert complaints(document, "Job", client.get(response.headers["Location"]).get_json()) == []


def test_the_job_of_a_picture_in_a_zip_answers_as_described(app: Flask, phantom: bytes) -> None:
    client = app.test_client()
    address = post_file(client, "/predict", zipped({"a.png": phantom})).headers["Location"]
    queue_of(app).work_once()
    job = client.get(address).get_json()
    assert job["state"] == "done"
    assert complaints(document_of(client), "Job", job) == []


def test_health_answers_as_described(client: FlaskClient) -> None:
    document = document_of(client)
    assert complaints(document, "Health", client.get("/healthz").get_json()) == []
    assert complaints(document, "Ready", client.get("/readyz").get_json()) == []


def test_a_field_that_is_not_described_is_noticed(client: FlaskClient) -> None:
    assert complaints(document_of(client), "Health", {"status": "ok", "since": 1}) != []
    assert complaints(document_of(client), "Health", {"status": "ill"}) != []


def test_the_document_needs_no_weights(tmp_path: Path) -> None:
    assert create_app({"weights": tmp_path / "none.xml"}).test_client().get("/openapi.json").status_code == 200
