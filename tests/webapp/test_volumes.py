"""A volume through the form: the job's page, the volume's page, its pictures and files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from app import create_app
from model.phantom import phantom_png
from tests.webapp.forms import BROWSER, post_file, upload
from tests.webapp.scans import SIDE, nifti, zipped
from webapp.jobs.attempt import Attempt
from webapp.jobs.queueing import EXTENSION, EmbeddedQueue
from webapp.words import slice_summary

SLICES = ("many", "one", "none")


def queue_of(app: Flask) -> EmbeddedQueue:
    queue = app.extensions[EXTENSION]
    assert isinstance(queue, EmbeddedQueue)
    return queue


def let_stall(app: Flask) -> None:
    """Let the job in work look as if its process had died some time ago, and have it seen to."""
    (working,) = app.extensions["groundglass-settings"].results.glob("*/working-*")
    os.utime(working, (0, 0))
    queue_of(app).tend()


def fetch(client: FlaskClient, address: str) -> bytes:
    """Return a file that is sent in pieces."""
    with client.get(address) as response:
        assert response.status_code == 200
        return bytes(response.data)


@pytest.fixture(scope="module")
def volume() -> bytes:
    return nifti(*SLICES)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, volume: bytes) -> tuple[FlaskClient, str]:
    """A client, and the address of a volume that was read."""
    app = create_app({"results": tmp_path_factory.mktemp("done") / "results"})
    client = app.test_client()
    address = upload(client, gzip.compress(volume), name="scan.nii.gz")
    assert queue_of(app).work_once()
    return client, address


def test_a_volume_is_queued_and_its_page_says_so(client: FlaskClient, volume: bytes) -> None:
    address = upload(client, volume, name="scan.nii")
    page = client.get(address, headers=BROWSER)
    assert page.status_code == 200
    assert "Next in the queue." in page.text
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_the_second_in_the_queue_is_told_its_place(client: FlaskClient, volume: bytes) -> None:
    upload(client, volume, name="a.nii")
    assert "Number 2 in the queue." in client.get(upload(client, volume, name="b.nii")).text


def test_a_full_queue_says_when_to_come_back(client: FlaskClient, volume: bytes) -> None:
    for _ in range(4):
        upload(client, volume, name="a.nii")
    response = post_file(client, "/", volume, name="a.nii", headers=BROWSER)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "60"
    assert "the queue is full" in response.text


def test_progress_is_told_slice_by_slice(app: Flask, volume: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    client = app.test_client()
    address = upload(client, volume, name="scan.nii")
    seen: list[dict[str, Any] | None] = []

    def progress(attempt: Attempt, done: int, of: int) -> None:
        original(attempt, done, of)
        seen.append(client.get(address.replace("results", "jobs")).json)

    original = Attempt.progress
    monkeypatch.setattr(Attempt, "progress", progress)
    queue_of(app).work_once()
    assert [(status["slices_done"], status["slices"], status["state"]) for status in seen if status] == [
        (1, 3, "working"),
        (2, 3, "working"),
        (3, 3, "working"),
    ]


def test_the_page_of_a_volume_says_what_was_found(done: tuple[FlaskClient, str]) -> None:
    client, address = done
    page = client.get(address, headers=BROWSER).text
    assert re.search(r"<h1[^>]*>Lesions take \d+\.\d % of the lungs in this scan, \d+(\.\d)? ml\.</h1>", page)
    for words in ("scan.nii.gz", "Right lung", "Left lung", "class ", "Lung volume", "not a medical device"):
        assert words in page
    # The slices of the phantom: many lesions at the feet, none at the head.
    rows = json.loads(fetch(client, f"{address}/files/measurements.json"))["slices"]
    assert rows[0]["lesion_area_px"] > rows[1]["lesion_area_px"] > rows[2]["lesion_area_px"]
    for row in rows:
        shown = re.search(r'id="shown"[^>]*>([^<]+)<', client.get(f"{address}?slice={row['slice']}").text)
        assert shown is not None
        assert shown[1] == slice_summary(row)


def test_the_page_opens_at_the_slice_with_most_lesion(done: tuple[FlaskClient, str]) -> None:
    client, address = done
    assert 'value="1"' in client.get(address).text
    assert f"{address}/slices/1/overlay.png" in client.get(address).text


@pytest.mark.parametrize(
    ("asked", "shown"), [("2", "2"), ("0", "1"), ("99", "3"), ("x", "1"), ("-1", "1"), ("9" * 99, "1")]
)
def test_any_slice_can_be_asked_for(done: tuple[FlaskClient, str], asked: str, shown: str) -> None:
    client, address = done
    assert f"{address}/slices/{shown}/original.png" in client.get(f"{address}?slice={asked}").text


def test_every_link_of_the_page_works(done: tuple[FlaskClient, str]) -> None:
    client, address = done
    links = set(re.findall(r'(?:href|src)="([^"#][^"]*)"', client.get(address).text))
    assert len(links) > 15
    for link in links:
        with client.get(address + link if link.startswith("?") else link.replace("&amp;", "&")) as response:
            assert response.status_code == 200, link


@pytest.mark.parametrize("kind", ["original", "overlay", "mask", "probability"])
def test_pictures_of_each_slice_have_its_size(done: tuple[FlaskClient, str], kind: str) -> None:
    client, address = done
    response = client.get(f"{address}/slices/2/{kind}.png")
    assert response.content_type == "image/png"
    assert Image.open(io.BytesIO(response.data)).size == (SIDE, SIDE)


@pytest.mark.parametrize("part", ["slices/0/mask.png", "slices/4/mask.png", "slices/1/hu.png", "files/details.json"])
def test_what_a_volume_has_not_is_not_found(done: tuple[FlaskClient, str], part: str) -> None:
    client, address = done
    assert client.get(f"{address}/{part}").status_code == 404


@pytest.mark.parametrize("name", ["..%2f..%2fdetails.json", "..%2fslices%2fgray%2f00000.png", "mask.dcm"])
def test_no_other_file_can_be_fetched(done: tuple[FlaskClient, str], name: str) -> None:
    client, address = done
    assert client.get(f"{address}/files/{name}").status_code == 404


def test_files_agree_with_each_other(done: tuple[FlaskClient, str], volume: bytes) -> None:
    client, address = done
    mask = nibabel.Nifti1Image.from_bytes(gzip.decompress(fetch(client, f"{address}/files/mask.nii.gz")))
    stored = nibabel.Nifti1Image.from_bytes(volume)
    assert mask.shape == stored.shape
    np.testing.assert_allclose(mask.affine, stored.affine)
    table = list(csv.DictReader(io.StringIO(fetch(client, f"{address}/files/measurements.csv").decode())))
    assert [int(row["lesion_area_px"]) for row in table] == np.asarray(mask.dataobj).sum(axis=(0, 1)).tolist()
    content = json.loads(fetch(client, f"{address}/files/measurements.json"))
    # A voxel of 2.5 × 2.5 × 8 mm has 0.05 ml.
    assert content["volume"]["lesion_ml"] == pytest.approx(0.05 * int(np.asarray(mask.dataobj).sum()))
    png = np.asarray(Image.open(io.BytesIO(client.get(f"{address}/slices/1/mask.png").data)))
    assert np.array_equal(np.asarray(mask.dataobj)[:, :, 0].T, png // 255)


def test_a_download_is_kept_by_no_cache_and_has_a_name(done: tuple[FlaskClient, str]) -> None:
    client, address = done
    with client.get(f"{address}/files/report.pdf") as response:
        assert response.data.startswith(b"%PDF")
        assert response.headers["Cache-Control"] == "no-store"
        name = address.rsplit("/", 1)[-1][:6]
        assert response.headers["Content-Disposition"] == f"attachment; filename=groundglass-{name}-report.pdf"


def test_the_upload_is_deleted_when_it_is_read(app: Flask, volume: bytes) -> None:
    upload(app.test_client(), volume, name="scan.nii")
    folder = app.extensions["groundglass-settings"].results
    assert list(folder.glob("*/upload/*"))
    queue_of(app).work_once()
    assert not list(folder.glob("*/upload"))


def test_a_volume_that_cannot_be_read_says_why(app: Flask) -> None:
    client = app.test_client()
    address = upload(client, nifti("one")[:5000], name="scan.nii")
    queue_of(app).work_once()
    page = client.get(address, headers=BROWSER)
    assert page.status_code == 422
    assert "damaged or was cut short" in page.text
    status = client.get(address.replace("results", "jobs")).json
    assert status is not None
    assert status["state"] == "failed"
    assert "damaged" in status["sentence"]
    assert status["problem"] == {
        "type": "/docs#problem-damaged-image",
        "title": "Damaged image",
        "status": page.status_code,
        "detail": status["sentence"],
    }


def test_a_zip_with_one_picture_is_a_picture(app: Flask) -> None:
    client = app.test_client()
    address = upload(client, zipped({"deep/er/a.png": phantom_png("one"), "b.txt": b"hello"}), name="a.zip")
    queue_of(app).work_once()
    page = client.get(address).text
    assert "of the visible lung" in page
    assert "1 file of the zip file left out" in page


def told(client: FlaskClient, address: str, *, sentence: str, attempts: int, again: bool) -> None:
    """Assert what page and JSON tell of a job that is not done."""
    page = client.get(address).text
    assert sentence in page
    assert ('id="again">Begun again' in page, 'id="again" hidden>' in page) == (again, not again)
    assert client.get(address.replace("results", "jobs")).get_json()["attempts"] == attempts


def test_a_job_that_is_begun_again_says_so(app: Flask, volume: bytes) -> None:
    client = app.test_client()
    address = upload(client, volume, name="scan.nii")
    assert queue_of(app).store.claim(at_most=1) is not None
    told(client, address, sentence="Opening the files.", attempts=1, again=False)
    let_stall(app)
    told(client, address, sentence="Next in the queue.", attempts=1, again=True)
    assert queue_of(app).store.claim(at_most=1) is not None
    told(client, address, sentence="Opening the files.", attempts=2, again=True)


def test_a_job_that_lost_its_process_is_finished_by_another(app: Flask, volume: bytes) -> None:
    client = app.test_client()
    address = upload(client, volume, name="scan.nii")
    told(client, address, sentence="Next in the queue.", attempts=0, again=False)
    assert queue_of(app).store.claim(at_most=1) is not None
    let_stall(app)
    assert queue_of(app).work_once()
    assert "of the lungs in this scan" in client.get(address).text


def test_a_job_whose_process_is_to_stop_waits_again_however_often(
    app: Flask, volume: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, queue = app.test_client(), queue_of(app)
    address = upload(client, volume, name="scan.nii")
    said = []

    def progress(attempt: Attempt, done: int, of: int) -> None:
        said.append(done)
        if len(said) < 5:
            queue.stopping.set()
        original(attempt, done, of)

    original = Attempt.progress
    monkeypatch.setattr(Attempt, "progress", progress)
    for _ in range(4):
        assert queue.work_once()
        assert "Next in the queue." in client.get(address).text
        assert client.get(address.replace("results", "jobs")).get_json()["slices_done"] == 0
        queue.stopping.clear()
    assert queue.work_once()
    assert said == [1, 1, 1, 1, 1, 2, 3]
    assert "of the lungs in this scan" in client.get(address).text


def test_a_queue_that_is_stopped_begins_nothing(app: Flask, volume: bytes) -> None:
    queue = queue_of(app)
    queue.start()
    assert queue.stop(within_s=30)
    upload(app.test_client(), volume, name="scan.nii")
    assert len(queue.store.waiting()) == 1


def test_a_job_that_lost_its_process_twice_is_given_up(app: Flask, volume: bytes) -> None:
    client = app.test_client()
    address = upload(client, volume, name="scan.nii")
    for _ in range(2):
        assert queue_of(app).store.claim(at_most=1) is not None
        let_stall(app)
    page = client.get(address, headers=BROWSER)
    assert page.status_code == 503
    assert "The server stopped twice while it read this volume. It may be the volume" in page.text
    assert not list(app.extensions["groundglass-settings"].results.glob("*/upload"))
    assert not queue_of(app).work_once()


def test_a_process_that_was_only_slow_does_not_disturb_the_next(
    app: Flask, volume: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    address = upload(client, volume, name="scan.nii")
    said = []

    def progress(attempt: Attempt, done: int, of: int) -> None:
        said.append(done)
        if len(said) == 1:
            let_stall(app)
            # Another process does it all meanwhile.
            assert queue_of(app).work_once()
        original(attempt, done, of)

    original = Attempt.progress
    monkeypatch.setattr(Attempt, "progress", progress)
    assert queue_of(app).work_once()
    # The slow one stops with its first slice, after the three of the other.
    assert said == [1, 1, 2, 3]
    (folder,) = app.extensions["groundglass-settings"].results.glob("[0-9a-f]*")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"slices", "files"}
    assert len(fetch(client, f"{address}/files/mask.nii.gz")) > 0
    assert "of the lungs in this scan" in client.get(address).text


def test_no_more_jobs_are_claimed_than_may_be_in_work(app: Flask, volume: bytes) -> None:
    for name in ("a.nii", "b.nii"):
        upload(app.test_client(), volume, name=name)
    store = queue_of(app).store
    assert store.claim(at_most=1) is not None
    assert store.claim(at_most=1) is None
    assert store.claim(at_most=2) is not None
    assert store.claim(at_most=9) is None


def test_an_unexpected_failure_ends_the_job_too(app: Flask, volume: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    client = app.test_client()
    address = upload(client, volume, name="scan.nii")
    monkeypatch.setattr("webapp.jobs.work.read_study", lambda *_, **__: 1 / 0)
    queue_of(app).work_once()
    assert "Something went wrong in the server" in client.get(address, headers=BROWSER).text


def test_a_job_whose_folder_is_deleted_harms_nothing(
    app: Flask, volume: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upload(app.test_client(), volume, name="a.nii")
    folder = app.extensions["groundglass-settings"].results

    def vanish(attempt: Attempt, done: int, of: int) -> None:
        for job in folder.glob("[0-9a-f]*"):
            # At once: a folder that is emptied may be written into meanwhile.
            job.rename(tmp_path / "gone")
            shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        original(attempt, done, of)

    original = Attempt.progress
    monkeypatch.setattr(Attempt, "progress", vanish)
    assert queue_of(app).work_once()
    assert list(folder.glob("[0-9a-f]*")) == []


def test_what_waits_or_is_in_work_is_not_swept_however_old(tmp_path: Path, volume: bytes) -> None:
    app = create_app({"results": tmp_path / "results", "result_minutes": 0.0001})
    client = app.test_client()
    upload(client, volume, name="a.nii")
    waiting = upload(client, volume, name="b.nii")
    assert queue_of(app).store.claim(at_most=1) is not None
    time.sleep(0.05)
    assert app.extensions["groundglass-results"].sweep() == 0
    assert "Next in the queue." in client.get(waiting).text


def test_an_unknown_job_is_not_found(client: FlaskClient) -> None:
    assert client.get("/jobs/" + "0" * 32).status_code == 404
