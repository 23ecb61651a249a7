"""Several pictures at once through the form: each a result of its own, and a page that lists them."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from model.phantom import EXAMPLES, draw_phantom, phantom_png
from model.png import encode_png
from tests.webapp.forms import BROWSER, token_of
from tests.webapp.scans import nifti
from tests.webapp.test_volumes import queue_of
from webapp.uploads.requests import MAX_PICTURES


def post(client: FlaskClient, *files: tuple[str, bytes], address: str = "/upload", **fields: str) -> TestResponse:
    form: dict[str, object] = {"file": [(io.BytesIO(data), name) for name, data in files], **fields}
    if address != "/predict":
        form["csrf_token"] = token_of(client.get("/").text)
    return client.post(address, data=form, content_type="multipart/form-data", headers=BROWSER)


def read(app: Flask, *files: tuple[str, bytes], **fields: str) -> str:
    """Send files and let them be read; return the address of what they became."""
    response = post(app.test_client(), *files, **fields)
    assert response.status_code == 303, response.text
    assert queue_of(app).work_once()
    return response.headers["Location"]


def in_colour() -> bytes:
    """A phantom of which a quarter is red: no chest CT."""
    image = np.repeat(draw_phantom(EXAMPLES["many"])[..., np.newaxis], 3, axis=2)
    image[:256, :256] = (200, 20, 20)
    return encode_png(image)


def results_in(page: str) -> list[str]:
    return re.findall(r'<a href="(/results/[0-9a-f]{32})">', page)


def test_each_picture_is_a_result_of_its_own(app: Flask) -> None:
    address = read(app, ("a.png", phantom_png("many")), ("b.png", phantom_png("none", seed=5)), threshold="0.6")
    client = app.test_client()
    page = client.get(address).text
    assert "Lesions were found in 1 of 2 pictures." in page
    first, second = results_in(page)
    assert len({address, first, second}) == 3
    assert "a.png" in client.get(first).text
    assert "threshold 0.6" in client.get(first).text
    assert "No lesion found at this threshold." in client.get(second).text
    assert client.get(f"{second}/overlay.png").content_type == "image/png"


def test_what_cannot_be_read_is_listed_with_the_reason(app: Flask) -> None:
    text, cut = b"Dear colleague, see the scan.", phantom_png("one")[:5000]
    address = read(app, ("a.png", phantom_png("one")), ("letter.txt", text), ("cut.png", cut))
    page = " ".join(app.test_client().get(address).text.split())
    assert "2 of 3 files could not be read" in page
    assert len(results_in(page)) == 1
    assert re.search(r"<dt>letter.txt</dt><dd class=\"caution\">[^<]{20,}</dd>", page)
    assert re.search(r"<dt>cut.png</dt><dd class=\"caution\">[^<]{20,}</dd>", page)


def test_each_that_is_refused_is_read_anyway_by_one_click(app: Flask) -> None:
    page = app.test_client().get(read(app, ("a.png", phantom_png("one")), ("hand.png", in_colour()))).text
    _, refused = results_in(page)
    assert page.count("Read it anyway</a>") == 1
    link = re.search(r'href="([^"]+)" aria-label="Read it anyway: hand.png"', page)
    assert link is not None
    assert link[1] == f"{refused}?force=1"
    forced = app.test_client().get(link[1]).text
    assert 'id="viewer"' in forced
    assert "of the picture is in colour" in forced


UPSIDE_DOWN = "This looks like a chest CT that is upside down. Turn it so that the spine is below."


def test_what_makes_a_finding_doubtful_stands_by_it_and_is_counted(app: Flask) -> None:
    turned = encode_png(np.ascontiguousarray(np.flipud(draw_phantom(EXAMPLES["none"]))))
    address = read(app, ("a.png", phantom_png("many")), ("turned.png", turned), ("hand.png", in_colour()))
    client = app.test_client()
    page = " ".join(client.get(address).text.split())
    assert re.search(r"<h1>(Lesions|No lesion)[^<]* 2 pictures\. Look at 1 of them with care\.</h1>", page)
    first, second, third = page.split('<ul class="batch">')[1].split("</li>")[:3]
    assert "caution" not in first
    assert f'<p class="caution">{UPSIDE_DOWN}</p>' in second
    assert second.index(UPSIDE_DOWN) < second.index("<p>")
    # Why it is refused is said once.
    assert third.count("<p") == 2
    told = client.get(address.replace("results", "jobs")).get_json()["pictures"]
    assert [picture["recognition"]["refused"] for picture in told] == [False, False, True]
    assert [picture["recognition"]["sentence"] for picture in told][:2] == ["", UPSIDE_DOWN]
    assert [UPSIDE_DOWN in picture["notes"] for picture in told] == [False, True, False]


def test_where_none_can_be_read_the_page_says_so(app: Flask) -> None:
    address = read(app, *((name, phantom_png("one")[:5000]) for name in ("a.png", "b.png")))
    page = app.test_client().get(address)
    assert page.status_code == 200
    assert "None of the files could be read." in page.text


def test_a_job_in_json_leads_to_each_result(app: Flask) -> None:
    address = read(app, ("a.png", phantom_png("one")), ("b.txt", b"no picture"))
    answer = app.test_client().get(address.replace("results", "jobs")).get_json()
    assert [(picture["name"], picture["page"].split("/")[1]) for picture in answer["pictures"]] == [
        ("a.png", "results")
    ]
    assert [left["name"] for left in answer["left"]] == ["b.txt"]
    assert answer["notice"].startswith("For research only")


def test_hostile_names_are_text(app: Flask) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    page = app.test_client().get(read(app, (name, phantom_png("one")), ("b.png", phantom_png("one")[:500]))).text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_up_to_a_limit_are_taken(app: Flask) -> None:
    small = phantom_png("none")[:500]
    client = app.test_client()
    most = [(f"{number}.png", small) for number in range(MAX_PICTURES)]
    assert post(client, *most).status_code == 303
    response = post(client, *most, ("one-more.png", small))
    assert response.status_code == 413
    assert f"{MAX_PICTURES + 1} pictures were sent; up to {MAX_PICTURES} are read at once." in response.text


def test_programs_send_one_at_a_time(client: FlaskClient, phantom: bytes) -> None:
    response = post(client, ("a.png", phantom), ("b.png", phantom), address="/predict")
    assert response.status_code == 415
    assert "Send one at a time" in response.get_json()["detail"]


def test_a_picture_beside_a_volume_is_left_as_before(app: Flask, phantom: bytes) -> None:
    address = read(app, ("a.png", phantom), ("b.nii", nifti("one", "none")))
    assert "1 other file was left out" in app.test_client().get(address).text


def test_they_expire_together(tmp_path: Path) -> None:
    app = create_app({"results": tmp_path / "results", "result_minutes": 30.0})
    address = read(app, ("a.png", phantom_png("one")), ("b.png", phantom_png("none")))
    ids = [address, *results_in(app.test_client().get(address).text)]
    times = [(tmp_path / result_id.lstrip("/")).stat().st_mtime for result_id in ids]
    assert len(times) == 3
    assert max(times) - min(times) < 60.0
    assert {path.name for path in (tmp_path / "results").iterdir()} == {path.rsplit("/", 1)[1] for path in ids}


@pytest.mark.parametrize("left", ["upload", "attempt-1"])
def test_no_upload_is_kept(app: Flask, left: str) -> None:
    address = read(app, ("a.png", phantom_png("one")), ("b.png", phantom_png("none")))
    folder = app.extensions["groundglass-settings"].results / address.rsplit("/", 1)[1]
    assert folder.is_dir()
    assert not (folder / left).exists()
