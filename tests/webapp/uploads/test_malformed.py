"""Forms that cannot be taken apart: each is told what is wrong with it."""

from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app

KIND = "multipart/form-data"


def form(
    boundary: str = "x", content: bytes = bytes(1000), *, disposition: str = 'name="file"; filename="a.png"'
) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
    return head + content + f"\r\n--{boundary}--\r\n".encode()


def nested(content: bytes = b"") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n'
    return head + form("y", content) + b"\r\n--x--\r\n"


LONG = bytes(200_000)
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
HEADERS = b"--x\r\nX-Note: " + b"n" * 200_000 + b"\r\n" + form()[5:]


def send(client: FlaskClient, address: str, data: bytes, kind: str, *, chunked: bool) -> TestResponse:
    """Post a body; without its length where it is chunked, as gunicorn hands such a one on."""
    if not chunked:
        return client.post(address, data=data, content_type=kind)
    unknown = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.post(address, input_stream=BytesIO(data), content_type=kind, environ_overrides=unknown)


@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "chunked"])
@pytest.mark.parametrize("address", ["/predict", "/"])
@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        pytest.param(KIND, form(), "The boundary of the form, in the header Content-Type, is missing", id="none"),
        pytest.param(f"{KIND}; boundary=", form(), "is missing", id="empty"),
        pytest.param(f"{KIND}; boundary=\xe9", form(), "cannot be read", id="not ASCII"),
        pytest.param(f'{KIND}; boundary="\xe9"', form(), "is 'é', of 1 characters", id="not ASCII in quotes"),
        pytest.param(f'{KIND}; boundary="a{{b}}"', form(), "is 'a{b}', of 4 characters", id="odd"),
        pytest.param(f"{KIND}; boundary={'b' * 201}", form("b" * 201), "of 201 characters", id="long"),
        pytest.param(f"{KIND}; boundary={'b' * 10**6}", form("b" * 10**6), "of 1000000 characters", id="1 MB"),
        pytest.param(f"{KIND}; boundary=z", form(), "begins with the boundary", id="another"),
        pytest.param(f"{KIND}; boundary=z", form(content=LONG), "begins with the boundary", id="another, long"),
        pytest.param(f"{KIND}; boundary=x", form()[:500], "broke off", id="cut"),
        pytest.param(f"{KIND}; boundary=x", form(content=LONG)[:150_000], "broke off", id="cut, long"),
        pytest.param(f"{KIND}; boundary=x", form()[:-9], "broke off", id="no end"),
        pytest.param(f"{KIND}; boundary=x", HEADERS, "a head of more than 100 kB", id="long head"),
        pytest.param(f"{KIND}; boundary=x", form() + LONG, "follow the end of the form", id="long end"),
        pytest.param(f"{KIND}; boundary=x", b"--x\r\nA: b\r\n\r\nc\r\n--x--\r\n", "which field", id="no name"),
        pytest.param(f"{KIND}; boundary=x", form().replace(b"a.png", b"\xe9.png"), "not UTF-8", id="not UTF-8"),
    ],
)
def test_what_is_no_form_is_told_so(
    client: FlaskClient, address: str, kind: str, data: bytes, told: str, *, chunked: bool
) -> None:
    answer = send(client, address, data, kind, chunked=chunked)
    assert answer.status_code == 400
    assert told in answer.get_json()["detail"]
    assert answer.get_json()["type"] == "/docs#problem-broken-upload"


@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "chunked"])
@pytest.mark.parametrize("address", ["/predict", "/"])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(PART * 5_001 + b"--x--\r\n", "more than 5,000 files and fields", id="many parts"),
        pytest.param(
            form(content=LONG, disposition='name="a"'), "The field 'a' has more than 100 kB", id="a long field"
        ),
        pytest.param(form(content=bytes(1_000_000)), "larger than 1 MB", id="a large file"),
    ],
)
def test_what_is_too_much_is_told_so(tmp_path: Path, address: str, data: bytes, told: str, *, chunked: bool) -> None:
    client = create_app({"results": tmp_path / "results", "max_upload_mb": 1}).test_client()
    answer = send(client, address, data, f"{KIND}; boundary=x", chunked=chunked)
    assert answer.status_code == 413
    assert told in answer.get_json()["detail"]


@pytest.mark.parametrize("data", [b"", b"--x--", b"--x--\r\n", b"\r\n--x--\r\n"])
@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "chunked"])
def test_a_form_without_fields_lacks_a_file_alone(client: FlaskClient, data: bytes, *, chunked: bool) -> None:
    answer = send(client, "/predict", data, f"{KIND}; boundary=x", chunked=chunked)
    assert answer.status_code == 400
    assert "No file was sent" in answer.get_json()["detail"]


def test_as_many_parts_as_are_taken_are_read(client: FlaskClient) -> None:
    data = PART * 5_000 + b"--x--\r\n"
    answer = client.post("/predict", data=data, content_type=f"{KIND}; boundary=x")
    assert "No file was sent" in answer.get_json()["detail"]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "identity, gzip"])
def test_a_body_that_is_compressed_as_a_whole_is_refused(client: FlaskClient, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": f"{KIND}; boundary=x"}
    answer = client.post("/predict", data=gzip.compress(form()), headers=headers)
    assert answer.status_code == 400
    assert f"compressed as a whole (Content-Encoding: {coding})" in answer.get_json()["detail"]


@pytest.mark.parametrize("coding", ["", "identity", "Identity, identity"])
def test_a_body_that_says_it_is_not_compressed_is_read(client: FlaskClient, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": f"{KIND}; boundary=x"}
    assert client.post("/predict", data=form(), headers=headers).status_code == 415


@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "chunked"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(nested(), id="nested"),
        pytest.param(nested(LONG), id="nested, long"),
        pytest.param(form(disposition='name="file"'), id="no file name"),
        pytest.param(form(content=LONG, disposition='name="file"'), id="no file name, long"),
    ],
)
def test_a_field_that_holds_no_file_is_told_so(client: FlaskClient, data: bytes, *, chunked: bool) -> None:
    answer = send(client, "/predict", data, f"{KIND}; boundary=x", chunked=chunked)
    assert answer.status_code == 400
    assert 'The field "file" holds text, and no file' in answer.get_json()["detail"]
