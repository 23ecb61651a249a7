"""Large pictures are drawn one at a time; small ones are not turned away for them."""

from __future__ import annotations

import contextlib

import pytest
from flask import Flask
from flask.testing import FlaskClient

from model.decode.picture import MAX_MEGAPIXELS
from model.errors import Busy
from tests.webapp.forms import upload
from tests.webapp.scans import nifti
from tests.webapp.test_volumes import queue_of
from webapp.viewing.drawing import EXTENSION, Drawing

LARGEST = {"measurements": {"height_px": 1_000, "width_px": MAX_MEGAPIXELS * 1_000}}
SMALL = {"shape": [600, 512, 512]}


def test_beside_the_largest_picture_a_slice_for_each_thread_is_drawn_and_no_second_one() -> None:
    drawing = Drawing(wait_s=0.0)
    with contextlib.ExitStack() as drawn:
        drawn.enter_context(drawing.of(LARGEST))
        for _ in range(16):
            drawn.enter_context(drawing.of(SMALL))
        with pytest.raises(Busy, match="as many large pictures as it can"), drawing.of(LARGEST):
            raise AssertionError
    with drawing.of(LARGEST):
        pass


@pytest.mark.parametrize(
    "part", ["overlay.png", "mask.png", "heat.png", "figures.json?threshold=0.3", "?threshold=0.3"]
)
def test_whoever_asks_meanwhile_is_told_when_to_come_back(
    app: Flask, client: FlaskClient, phantom: bytes, part: str
) -> None:
    address = upload(client, phantom) + ("" if part.startswith("?") else "/") + part
    drawing = app.extensions[EXTENSION] = Drawing(1, wait_s=0.0)
    with drawing.of(SMALL):
        answer = client.get(address)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert client.get(address).status_code == 200


def test_what_is_kept_is_sent_all_the_same(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    address = upload(client, phantom)
    drawing = app.extensions[EXTENSION] = Drawing(1, wait_s=0.0)
    with drawing.of(SMALL):
        for part in ("", "/original.png", "/probability.png", "/figures.json"):
            assert client.get(address + part).status_code == 200, part


def test_slices_of_a_volume_are_drawn_by_turns_too(app: Flask, client: FlaskClient) -> None:
    address = upload(client, nifti("one", "none"), name="scan.nii")
    assert queue_of(app).work_once()
    drawing = app.extensions[EXTENSION] = Drawing(1, wait_s=0.0)
    with drawing.of(SMALL):
        assert client.get(f"{address}/slices/1/overlay.png").status_code == 503
        assert client.get(f"{address}/slices/1/probability.png").status_code == 200
