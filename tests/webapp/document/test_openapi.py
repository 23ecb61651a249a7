from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from app import create_app
from model.overlay import COLOUR_MAPS
from tests.webapp.forms import post_file, upload
from tests.webapp.scans import nifti, zipped
from tests.webapp.schemas import Json, complaints, document_of
from tests.webapp.test_volumes import queue_of
from webapp.document.operations import OPERATIONS
from webapp.keys import add_key
from webapp.uploads.options import PredictOptions
from webapp.viewing.options import ViewOptions


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


def problems_of(document: Json, path: str) -> set[int]:
    (operation,) = document["paths"][path].values()
    return {int(status) for status in operation["responses"]} & {400, 401, 403, 429}


def test_it_tells_which_problems_the_doors_and_options_make(client: FlaskClient, tmp_path: Path) -> None:
    add_key(tmp_path / "keys", "anna")
    shut = document_of(create_app({"api_keys_file": tmp_path / "keys"}).test_client())
    named = document_of(create_app({"user_header": "X-User", "trusted_proxies": "10.0.0.1"}).test_client())
    open_to_all = document_of(client)
    # Any may come under a name that the server does not answer to.
    looks = ("/results/{result_id}/{name}.png", "/results/{result_id}/files/{name}", "/jobs/{result_id}")
    expected = {"/predict": {400, 403, 429}, **dict.fromkeys(looks, {400, 429})}
    for path, problems in expected.items():
        assert problems_of(open_to_all, path) == problems
        assert problems_of(shut, path) == problems_of(named, path) == problems | {401}
    assert (problems_of(open_to_all, "/metrics"), problems_of(shut, "/metrics")) == ({400}, {400, 401, 429})
    assert problems_of(open_to_all, "/healthz") == problems_of(shut, "/healthz") == {400}
    assert problems_of(open_to_all, "/readyz") == {400}


def test_the_options_of_a_view_are_parameters(client: FlaskClient) -> None:
    paths = document_of(client)["paths"]
    parameters = paths["/results/{result_id}/{name}.png"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in parameters if parameter["in"] == "query"}
    assert set(schemas) == set(ViewOptions.model_fields) - {"view"}
    assert schemas["colours"]["enum"] == list(COLOUR_MAPS)
    assert "default" not in schemas["threshold"]


def test_every_kind_of_picture_that_is_described_is_there(client: FlaskClient, phantom: bytes) -> None:
    described = document_of(client)["paths"]["/results/{result_id}/{name}.png"]["get"]["parameters"]
    kinds = next(parameter["schema"]["enum"] for parameter in described if parameter["name"] == "name")
    address = upload(client, phantom)
    assert set(kinds) == {"original", "overlay", "mask", "probability", "heat", "lung"}
    assert {client.get(f"{address}/{kind}.png").status_code for kind in kinds} == {200}


def test_every_kind_of_picture_of_a_volume_is_there(app: Flask) -> None:
    client = app.test_client()
    parameters = document_of(client)["paths"]["/results/{result_id}/slices/{number}/{kind}.png"]["get"]["parameters"]
    kinds = next(parameter["schema"]["enum"] for parameter in parameters if parameter["name"] == "kind")
    address = upload(client, nifti("many", "none"), name="scan.nii")
    queue_of(app).work_once()
    found = {kind: client.get(f"{address}/slices/1/{kind}.png").status_code for kind in [*kinds, "lung"]}
    assert found == dict.fromkeys(kinds, 200) | {"lung": 404}


def test_a_file_and_its_parts_answer_as_described(app: Flask) -> None:
    client, document = app.test_client(), document_of(app.test_client())
    described = document["paths"]["/results/{result_id}/files/{name}"]["get"]["responses"]
    address = upload(client, nifti("many", "none"), name="scan.nii") + "/files/measurements.json"
    queue_of(app).work_once()
    whole = client.get(address)
    assert described["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/VolumeTable")
    assert complaints(document, "VolumeTable", json.loads(whole.data)) == []
    wanted = {
        206: {"Range": "bytes=0-9"},
        304: {"If-None-Match": whole.headers["ETag"]},
        416: {"Range": "bytes=999999999-"},
    }
    for status, headers in wanted.items():
        answer = client.get(address, headers=headers)
        assert answer.status_code == status
        assert str(status) in described
        if status == 416:
            assert answer.headers["Content-Range"] == f"bytes */{len(whole.data)}"
            problem = answer.get_json()
        answer.close()
    assert problem["detail"] == "The file has no such part as the header Range asks for."
    assert f'id="{problem["type"].partition("#")[2]}"' in client.get("/docs").text
    whole.close()


@pytest.mark.parametrize("threshold", ["", "?threshold=0.2"])
def test_figures_are_as_described(app: Flask, phantom: bytes, threshold: str) -> None:
    client, document = app.test_client(), document_of(app.test_client())
    of_slice = upload(client, phantom)
    of_volume = upload(client, nifti("many", "none"), name="scan.nii")
    queue_of(app).work_once()
    for address, model in ((of_slice, "SliceFigures"), (of_volume, "VolumeFigures")):
        assert complaints(document, model, client.get(f"{address}/figures.json{threshold}").get_json()) == []


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
