"""Requests as browsers and programs send them."""

from __future__ import annotations

import io

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
    """Post a multipart form with the field "file" and further fields."""
    form = {"file": (io.BytesIO(data), name), **fields}
    return client.post(address, data=form, content_type="multipart/form-data", headers=headers)


def upload(client: FlaskClient, data: bytes, *, name: str = "slice.png", **fields: str) -> str:
    """Upload as a browser does and return the address of the result."""
    response = post_file(client, "/upload", data, name=name, headers=BROWSER, **fields)
    assert response.status_code == 303, response.text
    return response.headers["Location"]
