"""Forms that cannot be taken apart: each is told what is wrong with it."""

from __future__ import annotations

import gzip

import pytest
from flask.testing import FlaskClient

KIND = "multipart/form-data"


def form(
    boundary: str = "x", content: bytes = bytes(1000), *, disposition: str = 'name="file"; filename="a.png"'
) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
    return head + content + f"\r\n--{boundary}--\r\n".encode()


NESTED = (
    b'--x\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n'
    + form("y")
    + b"\r\n--x--\r\n"
)


@pytest.mark.parametrize("address", ["/predict", "/"])
@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        pytest.param(KIND, form(), "The boundary of the form, in the header Content-Type, is missing", id="none"),
        pytest.param(f"{KIND}; boundary=", form(), "is missing", id="empty"),
        pytest.param(f'{KIND}; boundary="a{{b}}"', form(), "is 'a{b}', of 4 characters", id="odd"),
        pytest.param(f"{KIND}; boundary={'b' * 71}", form("b" * 71), "of 71 characters", id="long"),
        pytest.param(f"{KIND}; boundary={'b' * 10**6}", form("b" * 10**6), "of 1000000 characters", id="1 MB"),
        pytest.param(f"{KIND}; boundary=z", form(), "do not begin and end with the boundary", id="another"),
        pytest.param(f"{KIND}; boundary=x", form()[:500], "it broke off", id="cut"),
        pytest.param(f"{KIND}; boundary=x", form()[:-9], "it broke off", id="no end"),
    ],
)
def test_what_is_no_form_is_told_so(client: FlaskClient, address: str, kind: str, data: bytes, told: str) -> None:
    answer = client.post(address, data=data, content_type=kind)
    assert answer.status_code == 400
    assert told in answer.get_json()["detail"]
    assert answer.get_json()["type"] == "/docs#problem-broken-upload"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip"])
def test_a_body_that_is_compressed_as_a_whole_is_refused(client: FlaskClient, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": f"{KIND}; boundary=x"}
    answer = client.post("/predict", data=gzip.compress(form()), headers=headers)
    assert answer.status_code == 400
    assert f"compressed as a whole (Content-Encoding: {coding})" in answer.get_json()["detail"]


@pytest.mark.parametrize("data", [NESTED, form(disposition='name="file"')], ids=["nested", "no file name"])
def test_a_field_that_holds_no_file_is_told_so(client: FlaskClient, data: bytes) -> None:
    answer = client.post("/predict", data=data, content_type=f"{KIND}; boundary=x")
    assert answer.status_code == 400
    assert 'The field "file" holds text, and no file' in answer.get_json()["detail"]


def test_a_long_form_under_another_boundary_is_told_so(client: FlaskClient) -> None:
    answer = client.post("/predict", data=form(content=bytes(200_000)), content_type=f"{KIND}; boundary=z")
    assert answer.status_code == 413
    assert "do not begin with the boundary that its header names" in answer.get_json()["detail"]
