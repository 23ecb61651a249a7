from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from app import create_app
from model import errors
from model.decode.kinds import SourceFile
from model.decode.study import open_study
from tests.webapp.forms import BROWSER, post_file
from tests.webapp.scans import zipped
from webapp.errors import STATUS


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


GOOD = as_png(Image.new("L", (64, 64), 100))
NOISE = as_png(Image.effect_noise((200, 200), 50))

BAD_UPLOADS = [
    pytest.param(b"", 400, "The file is empty (0 bytes)", id="empty"),
    pytest.param(b"Dear radiologist,", 415, "not a picture that can be read", id="text"),
    pytest.param(NOISE[: len(NOISE) // 2], 422, "damaged or was cut short", id="truncated"),
    pytest.param(as_png(Image.new("1", (30_000, 30_000))), 413, "at most 20 million pixels", id="bomb"),
    pytest.param(as_png(Image.new("L", (1, 1))), 422, "at least 32", id="tiny"),
]


def post_raw(client: FlaskClient, field: str, value: bytes) -> TestResponse:
    """Post one field, encoded here: what Werkzeug's client encodes, it keeps in a file that it leaves open."""
    body = f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode() + value + b"\r\n--x--\r\n"
    return client.post("/predict", data=body, content_type="multipart/form-data; boundary=x")


def subclasses(kind: type[errors.GroundglassError]) -> Iterator[type[errors.GroundglassError]]:
    for subclass in kind.__subclasses__():
        yield from subclasses(subclass)
        if not subclass.__subclasses__():
            yield subclass


def test_every_error_has_a_status() -> None:
    assert set(subclasses(errors.GroundglassError)) == set(STATUS)


@pytest.mark.parametrize(("data", "status", "sentence"), BAD_UPLOADS)
def test_a_program_gets_the_sentence_as_problem_details(
    client: FlaskClient, data: bytes, status: int, sentence: str
) -> None:
    response = post_file(client, "/predict", data)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    answer = response.get_json()
    assert sentence in answer["detail"]
    assert answer["status"] == status


@pytest.mark.parametrize(("data", "status", "sentence"), BAD_UPLOADS)
def test_a_browser_gets_the_sentence_as_a_page(client: FlaskClient, data: bytes, status: int, sentence: str) -> None:
    response = post_file(client, "/upload", data, headers=BROWSER)
    assert (response.status_code, response.mimetype) == (status, "text/html")
    assert sentence in response.text
    assert "Traceback" not in response.text
    assert "Choose a file" in response.text


def test_no_file_is_a_sentence(client: FlaskClient) -> None:
    for data in ({}, {"file": (io.BytesIO(b""), "")}, {"image": (io.BytesIO(GOOD), "a.png")}):
        response = client.post("/predict", data=data, content_type="multipart/form-data")
        assert response.status_code == 400
        assert "No file was sent" in response.get_json()["detail"]


def test_a_file_name_that_is_not_utf_8_is_told_of(client: FlaskClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="caf\xe9.png"\r\n\r\ndata\r\n--x--\r\n'
    response = client.post("/predict", data=body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 400
    assert "A name in the form is not UTF-8" in response.get_json()["detail"]


def test_a_body_that_is_no_form_is_no_file(client: FlaskClient) -> None:
    response = client.post("/predict", data=GOOD, content_type="image/png")
    assert response.status_code == 400
    assert "multipart/form-data" in response.get_json()["detail"]


def test_two_pictures_are_one_too_many(client: FlaskClient) -> None:
    data = {"file": [(io.BytesIO(GOOD), "a.png"), (io.BytesIO(GOOD), "b.png")]}
    response = client.post("/predict", data=data, content_type="multipart/form-data")
    assert response.status_code == 415
    assert "2 pictures were sent. Send one at a time" in response.get_json()["detail"]


def test_several_zip_files_are_refused_at_once_as_they_would_be_later(client: FlaskClient, tmp_path: Path) -> None:
    data = zipped({"a.png": GOOD})
    form = {"file": [(io.BytesIO(data), "a.zip"), (io.BytesIO(data), "b.zip")]}
    response = client.post("/predict", data=form, content_type="multipart/form-data")
    assert response.status_code == 415
    (tmp_path / "zip").write_bytes(data)
    with pytest.raises(errors.NotAnImage) as later:
        open_study([SourceFile(tmp_path / "zip", name) for name in ("a.zip", "b.zip")], tmp_path / "scratch")
    assert response.get_json()["detail"] == str(later.value)


def test_a_damaged_dicom_file_is_a_sentence(client: FlaskClient) -> None:
    response = post_file(client, "/predict", bytes(128) + b"DICM")
    assert response.status_code == 422
    assert "or it was cut short" in response.get_json()["detail"]


@pytest.mark.parametrize("threshold", ["0", "1", "1.5", "-1", "nan", "inf", "half", "0.5;rm", "9" * 400])
def test_a_threshold_out_of_range_is_a_sentence(client: FlaskClient, threshold: str) -> None:
    response = post_file(client, f"/predict?threshold={threshold}", GOOD)
    assert response.status_code == 400
    assert "is not a number above 0 and below 1" in response.get_json()["detail"]


def test_an_unknown_output_names_the_known_ones(client: FlaskClient) -> None:
    response = post_file(client, "/predict?output=dicom", GOOD)
    assert response.status_code == 400
    assert "overlay, mask, probability, json" in response.get_json()["detail"]


def test_a_mistyped_option_is_refused(client: FlaskClient) -> None:
    response = post_file(client, "/predict?thresold=0.4", GOOD)
    assert response.status_code == 400
    assert "There is no option 'thresold'. Known are threshold, quality, " in response.get_json()["detail"]


def test_a_result_that_cannot_be_kept_is_a_sentence(tmp_path: Path, phantom: bytes) -> None:
    (tmp_path / "file").write_text("in the way")
    client = create_app({"results": tmp_path / "file"}).test_client()
    response = post_file(client, "/upload", phantom, headers=BROWSER)
    assert response.status_code == 503
    assert "The server cannot keep results now" in response.text
    assert client.get("/results/" + "0" * 32, headers=BROWSER).status_code == 404


def test_an_expired_result_is_json_to_a_program(client: FlaskClient) -> None:
    assert client.get("/results/" + "0" * 32).get_json()["status"] == 404


def test_too_large_an_upload_states_the_limit() -> None:
    client = create_app({"max_upload_mb": 1}).test_client()
    response = post_raw(client, "file", bytes(1_100_000))
    assert response.status_code == 413
    assert "larger than 1 MB" in response.get_json()["detail"]


def test_too_long_a_field_is_not_called_too_large_a_file(client: FlaskClient) -> None:
    response = post_raw(client, "threshold", b"1" * 600_000)
    assert response.status_code == 413
    assert "The field 'threshold' has more than 100 kB" in response.get_json()["detail"]


def test_it_rejects_get_on_predict(client: FlaskClient) -> None:
    response = client.get("/predict")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert response.get_json()["status"] == 405


def test_an_unknown_address_is_a_page_or_json(client: FlaskClient) -> None:
    assert "no page at this address" in client.get("/nothing", headers=BROWSER).text
    assert client.get("/nothing").get_json()["status"] == 404


@pytest.mark.parametrize("headers", [BROWSER, None])
def test_an_unexpected_error_shows_no_traceback(app: Flask, headers: dict[str, str] | None) -> None:
    def fail() -> str:
        raise RuntimeError("secret detail")

    app.add_url_rule("/fail", view_func=fail)
    response = app.test_client().get("/fail", headers=headers)
    assert response.status_code == 500
    assert "Something went wrong in the server" in response.text
    assert "secret detail" not in response.text


def test_without_weights_readyz_says_what_to_do(tmp_path: Path) -> None:
    client = create_app({"weights": tmp_path / "none.xml"}).test_client()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "none.xml does not exist. Check the path, or export the network again." in answer.get_json()["detail"]


def test_without_weights_an_upload_gets_a_sentence_but_no_path(tmp_path: Path) -> None:
    client = create_app({"weights": tmp_path / "none.xml"}).test_client()
    response = post_file(client, "/upload", GOOD, headers=BROWSER)
    assert response.status_code == 503
    assert "The server cannot read slices now" in response.text
    assert str(tmp_path) not in response.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "text/html; charset=utf-8"),
        ("text/html;q=0.1, application/json", "text/html; charset=utf-8"),
        ("text/html;q=0", "application/problem+json"),
        ("text/html;q=0, */*", "application/problem+json"),
    ],
)
def test_html_is_for_those_who_take_it(client: FlaskClient, accept: str, kind: str) -> None:
    assert client.get("/nothing", headers={"Accept": accept}).content_type == kind
