"""Series and volumes through POST /predict."""

from __future__ import annotations

import base64
import gzip
import io
import threading

import nibabel
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from tests.webapp.forms import post_file
from tests.webapp.scans import nifti, zipped
from tests.webapp.test_volumes import queue_of


def waited_for(app: Flask, address: str, data: bytes) -> TestResponse:
    """Post a volume and wait for it, while another thread reads it."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            if not queue_of(app).work_once():
                stopped.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return post_file(app.test_client(), address, data, name="scan.nii")
    finally:
        stopped.set()
        thread.join()


def test_a_volume_answers_with_the_address_of_its_job(app: Flask) -> None:
    client = app.test_client()
    response = post_file(client, "/predict", nifti("one", "none"), headers={"Accept": "application/json"})
    assert response.status_code == 202
    job = client.get(response.headers["Location"]).json
    assert job is not None
    assert (job["state"], job["place"]) == ("queued", 1)
    queue_of(app).work_once()
    job = client.get(response.headers["Location"]).json
    assert job is not None
    assert job["state"] == "done"
    assert job["measurements"]["volume"]["slice_count"] == 2
    for address in job["files"].values():
        with client.get(address) as file:
            assert file.status_code == 200


def test_a_client_may_wait_for_the_measurements(app: Flask) -> None:
    response = waited_for(app, "/predict?wait=1&output=json", nifti("one", "none"))
    assert response.status_code == 200
    assert response.json is not None
    assert response.json["measurements"]["volume"]["lesion_voxels"] > 0


def test_a_client_may_wait_for_the_mask(app: Flask) -> None:
    with waited_for(app, "/predict?wait=1&output=mask", nifti("one", "none")) as response:
        mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(response.data))
    assert mask.shape == (128, 128, 2)


def test_a_client_that_waits_gets_a_picture_unless_it_asks_otherwise(app: Flask) -> None:
    with waited_for(app, "/predict?wait=1", nifti("one", "none")) as response:
        assert response.content_type == "image/png"
        assert Image.open(io.BytesIO(response.data)).mode == "RGB"


def test_nobody_waits_for_a_server_that_stops(app: Flask) -> None:
    queue_of(app).stop(within_s=0)
    response = post_file(app.test_client(), "/predict?wait=1", nifti("one"))
    assert response.status_code == 202
    assert response.headers["Location"].startswith("/jobs/")


def test_a_client_that_waits_is_told_what_went_wrong(app: Flask) -> None:
    response = waited_for(app, "/predict?wait=1", nifti("one", "none")[:4000])
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    assert "damaged or was cut short" in response.text


@pytest.fixture
def picture_in_zip(phantom: bytes) -> bytes:
    return zipped({"a.png": phantom, "b.txt": b"hello"})


@pytest.mark.parametrize("output", ["overlay", "mask", "probability"])
def test_a_picture_in_a_zip_answers_with_pictures_like_a_slice(
    app: Flask, phantom: bytes, picture_in_zip: bytes, output: str
) -> None:
    alone = post_file(app.test_client(), f"/predict?output={output}", phantom)
    response = waited_for(app, f"/predict?wait=1&output={output}", picture_in_zip)
    assert (response.status_code, response.content_type) == (200, "image/png")
    assert_alike(response.data, alone.data)


def assert_alike(one: bytes, other: bytes) -> None:
    """Two pictures show the same; what is drawn of kept probabilities, to 1/65535, may be rounded otherwise."""
    pixels, expected = (np.asarray(Image.open(io.BytesIO(png))).astype(int) for png in (one, other))
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=1 if pixels.ndim == 3 else 0)


def test_a_picture_in_a_zip_answers_with_json_like_a_slice(app: Flask, phantom: bytes, picture_in_zip: bytes) -> None:
    alone = post_file(app.test_client(), "/predict?output=json", phantom).get_json()
    answer = waited_for(app, "/predict?wait=1&output=json", picture_in_zip).get_json()
    assert answer["notes"] == [*alone["notes"], "1 file of the zip file left out: no image."]
    images, expected = answer.pop("images"), alone.pop("images")
    assert answer.pop("segmented_image") == alone.pop("segmented_image")
    assert images.keys() == expected.keys()
    for name in images:
        assert_alike(base64.b64decode(images[name]), base64.b64decode(expected[name]))
    assert answer | {"notes": []} == alone | {"notes": []}


def test_the_job_of_a_picture_in_a_zip_tells_its_measurements_and_pictures(
    app: Flask, phantom: bytes, picture_in_zip: bytes
) -> None:
    client = app.test_client()
    alone = post_file(client, "/predict?output=json", phantom).get_json()
    address = post_file(client, "/predict", picture_in_zip).headers["Location"]
    queue_of(app).work_once()
    job = client.get(address).get_json()
    assert job["state"] == "done"
    for name in ("measurements", "model", "threshold", "quality", "notice"):
        assert job[name] == alone[name]
    assert len(job["notes"]) == 1 + len(alone["notes"])
    assert set(job["files"]) == {"original.png", "overlay.png", "mask.png", "probability.png"}
    assert client.get(job["files"]["mask.png"]).data == base64.b64decode(alone["images"]["mask"])


@pytest.mark.parametrize("option", ["wait=2", "picture=yes", "patient=x"])
def test_mistyped_switches_are_refused(client: FlaskClient, option: str) -> None:
    response = post_file(client, f"/predict?{option}", nifti("one"))
    assert response.status_code == 400
    assert "it can be 1 (" in response.text
