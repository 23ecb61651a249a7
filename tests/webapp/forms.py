"""Requests as browsers and programs send them."""

from __future__ import annotations

import io
import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def post_file(
    client: FlaskClient,
    address: str,
    data: bytes,
    *,
    name: str = "slice.png",
    headers: dict[str, str] | None = None,
    **fields: str,
) -> TestResponse:
    """Post a multipart form with the field "file" and further fields; to pages, with the token of the form."""
    form: dict[str, object] = {"file": (io.BytesIO(data), name), **fields}
    if not address.startswith("/predict"):
        form |= {"csrf_token": token_of(client.get("/").text)}
    return client.post(address, data=form, content_type="multipart/form-data", headers=headers)


def post_form(client: FlaskClient, address: str, **fields: str) -> TestResponse:
    """Post a form without files as a browser does, with the token of the upload form."""
    form = {"csrf_token": token_of(client.get("/").text), **fields}
    return client.post(address, data=form, headers=BROWSER)


def token_of(page: str) -> str:
    """Return the token in the form of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def upload(client: FlaskClient, data: bytes, *, name: str = "slice.png", **fields: str) -> str:
    """Upload as a browser does and return the address of the result."""
    response = post_file(client, "/upload", data, name=name, headers=BROWSER, **fields)
    assert response.status_code == 303, response.text
    return response.headers["Location"]
