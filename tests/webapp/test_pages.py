from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from app import create_app
from model.phantom import phantom_png
from tests.webapp.forms import BROWSER, post_file, post_form, upload
from webapp.pages import PHANTOMS
from webapp.words import LUNG_FOLLOWS


def read_png(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("address", ["/", "/upload"])
def test_the_form_states_formats_and_limit_before_upload(client: FlaskClient, address: str) -> None:
    page = client.get(address).text
    assert "PNG, JPEG, TIFF or BMP" in " ".join(page.split())
    assert "up to 512 MB" in page
    assert 'enctype="multipart/form-data"' in page
    assert "not a medical device" in page


def test_the_limit_on_the_form_is_the_setting() -> None:
    page = create_app({"max_upload_mb": 7, "result_minutes": 5.0}).test_client().get("/").text
    assert "up to 7 MB" in page
    assert "Uploads are deleted as soon as they are read, results 5 minutes after that." in page


def test_the_form_says_that_the_report_names_the_file_with_the_patient(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "Names in the PDF report: the patient's, where the series has one, and the file's." in page


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none", "No lesion found at this threshold."),
        ("one", "of the visible lung in 1 place."),
        ("many", "of the visible lung in 5 places."),
    ],
)
def test_a_phantom_is_read_without_a_file(client: FlaskClient, name: str, sentence: str) -> None:
    response = post_form(client, "/upload", phantom=name)
    assert response.status_code == 303
    page = client.get(response.headers["Location"]).text
    assert sentence in page
    assert f"Phantom: {PHANTOMS[name]}" in page


def test_the_option_that_tells_how_sure_is_one_link_away(client: FlaskClient) -> None:
    page = client.get(post_form(client, "/upload", phantom="one").headers["Location"]).text
    assert "not asked" in page
    assert 'href="/?quality=1">Send it again with the option Quality</a>' in page
    form = client.get("/?quality=1").text
    assert re.search(r'name="quality" value="1" id="quality" checked>', form)
    assert 'id="quality" checked' not in client.get("/").text
    again = client.get(post_form(client, "/upload", phantom="one", quality="1").headers["Location"]).text
    assert "the mirrored readings agree" in again
    assert "?quality=1" not in again


def test_where_the_threshold_is_moved_the_page_says_that_the_lung_follows(client: FlaskClient) -> None:
    address = post_form(client, "/upload", phantom="one").headers["Location"]
    moved, as_read = (" ".join(client.get(address + query).text.split()) for query in ("?threshold=0.2", ""))
    assert f'<p class="aside" data-when-moved>{LUNG_FOLLOWS}</p>' in moved
    assert f'<p class="aside" data-when-moved hidden>{LUNG_FOLLOWS}</p>' in as_read


def test_an_unknown_phantom_is_refused(client: FlaskClient) -> None:
    response = post_form(client, "/upload", phantom="cat")
    assert response.status_code == 400
    assert "no phantom &#39;cat&#39;. Known are none, one, many." in response.text


def test_the_form_tells_how_long_slices_took_lately(app: Flask) -> None:
    assert 'data-seconds="" data-seconds-quality=""' in app.test_client().get("/").text
    app.extensions["groundglass-pace"].add(1.25, quality=False)
    app.extensions["groundglass-pace"].add(5.0, quality=True)
    assert 'data-seconds="1.2" data-seconds-quality="5.0"' in app.test_client().get("/").text


def test_the_form_says_so_before_an_upload_that_the_network_cannot_be_loaded(tmp_path: Path, phantom: bytes) -> None:
    app = create_app({"weights": tmp_path / "missing.xml", "results": tmp_path / "results"})
    app.extensions["groundglass-segmenter"].warm_up()
    page = app.test_client().get("/").text
    assert "cannot read slices now" in page
    assert page.count(" disabled>") == 5


def test_the_form_does_not_load_the_network(tmp_path: Path) -> None:
    app = create_app({"weights": tmp_path / "missing.xml"})
    assert "cannot read slices now" not in app.test_client().get("/").text


@pytest.mark.parametrize("address", ["/", "/upload"])
def test_an_upload_leads_to_its_result(client: FlaskClient, phantom: bytes, address: str) -> None:
    response = post_file(client, address, phantom, headers=BROWSER)
    assert response.status_code == 303
    assert re.fullmatch(r"/results/[0-9a-f]{32}", response.headers["Location"])


def test_the_result_page_says_what_was_found(client: FlaskClient, phantom: bytes) -> None:
    response = client.get(upload(client, phantom, name="phantom.png"))
    page = " ".join(response.text.split())
    assert response.status_code == 200
    assert re.search(r"Lesions cover \d+\.\d % of the visible lung in \d+ places?\.", page)
    for words in ("Lesion area", "px of lung", "Number of lesions", "Highest probability", "phantom.png"):
        assert words in page
    # On the screen in the foot of the page, on paper by the figures.
    assert page.count("not a medical device") == 2
    assert '<p class="aside paper">For research only.' in page


def test_a_picture_is_told_to_be_one(client: FlaskClient, phantom: bytes) -> None:
    assert "A picture, not Hounsfield units" in client.get(upload(client, phantom)).text


def test_the_figures_are_those_of_the_mask(client: FlaskClient, phantom: bytes) -> None:
    address = upload(client, phantom)
    mask = read_png(client.get(f"{address}/mask.png").data)
    assert f'data-figure="area">{np.count_nonzero(mask):,} px<' in client.get(address).text


def test_no_lesion_is_an_answer_too(client: FlaskClient) -> None:
    page = client.get(upload(client, phantom_png("none"), threshold="0.999")).text
    assert "No lesion found at this threshold." in page


@pytest.mark.parametrize("kind", ["original", "overlay", "mask", "probability"])
def test_pictures_are_shown_and_downloaded(client: FlaskClient, phantom: bytes, kind: str) -> None:
    address = upload(client, phantom)
    shown = client.get(f"{address}/{kind}.png")
    assert shown.content_type == "image/png"
    assert read_png(shown.data).shape[:2] == (512, 512)
    assert "Content-Disposition" not in shown.headers
    kept = client.get(f"{address}/{kind}.png?download=1")
    assert re.fullmatch(
        rf'attachment; filename="groundglass-[0-9a-f]{{6}}-{kind}.png"', kept.headers["Content-Disposition"]
    )
    assert kept.data == shown.data


def test_every_link_of_the_result_page_works(client: FlaskClient, phantom: bytes) -> None:
    links = re.findall(r'(?:href|src)="(/[^"]+)"', client.get(upload(client, phantom)).text)
    assert len(links) > 6
    for link in links:
        with client.get(link.replace("&amp;", "&")) as response:
            assert response.status_code == 200, link


def test_results_are_kept_by_no_cache(client: FlaskClient, phantom: bytes) -> None:
    address = upload(client, phantom)
    for part in ("", "/overlay.png", "/mask.png?download=1"):
        assert client.get(address + part).headers["Cache-Control"] == "no-store"


def test_the_threshold_of_the_form_is_used(client: FlaskClient, phantom: bytes) -> None:
    low, high = (upload(client, phantom, threshold=threshold) for threshold in ("0.2", "0.8"))
    areas = [np.count_nonzero(read_png(client.get(f"{address}/mask.png").data)) for address in (low, high)]
    assert areas[0] > areas[1]
    assert "threshold 0.2" in client.get(low).text


def test_the_quality_of_the_form_is_used(client: FlaskClient, phantom: bytes) -> None:
    plain, careful = (
        client.get(address).text for address in (upload(client, phantom), upload(client, phantom, quality="1"))
    )
    assert "mean of four looks" not in plain
    assert "mean of four looks" in careful


def test_a_hostile_file_name_is_shown_as_text(client: FlaskClient, phantom: bytes) -> None:
    name = "../../<script>alert(1)</script>\u202egnp.exe" + "x" * 5000
    page = client.get(upload(client, phantom, name=name)).text
    assert "<script>alert" not in page
    assert "script&gt;" in page
    assert "\u202e" not in page
    assert "x" * 100 not in page


def test_metadata_of_the_upload_is_in_no_output(client: FlaskClient, phantom: bytes) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Doe^Jane"
    buffer = io.BytesIO()
    Image.open(io.BytesIO(phantom)).convert("RGB").save(buffer, "JPEG", exif=exif)
    assert b"Doe^Jane" in buffer.getvalue()
    address = upload(client, buffer.getvalue(), name="a.jpg")
    for kind in ("original", "overlay", "mask", "probability"):
        assert b"Doe^Jane" not in client.get(f"{address}/{kind}.png").data


@pytest.mark.parametrize("result_id", ["0" * 32, "none", "..%2f..%2fapp", "0" * 31 + "G"])
def test_an_unknown_result_is_gone(client: FlaskClient, result_id: str) -> None:
    response = client.get(f"/results/{result_id}", headers=BROWSER)
    assert response.status_code == 404
    assert "This result is gone" in response.text or "no page at this address" in response.text


def test_an_unknown_picture_of_a_result_is_not_found(client: FlaskClient, phantom: bytes) -> None:
    assert client.get(upload(client, phantom) + "/details.png").status_code == 404


def test_pages_let_nothing_in_from_elsewhere(client: FlaskClient) -> None:
    headers = client.get("/").headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "style=" not in client.get("/").text


def test_two_apps_on_one_folder_see_the_same_result(app: Flask, phantom: bytes) -> None:
    address = upload(app.test_client(), phantom)
    folder = app.extensions["groundglass-settings"].results
    assert create_app({"results": folder}).test_client().get(address).status_code == 200
