"""The report of a slice, as it is looked at."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from model.phantom import EXAMPLES, draw_phantom
from model.png import encode_png
from tests.export.test_pdf import picture_of, words_of
from tests.webapp.forms import BROWSER, upload
from webapp.viewing.report import EXTENSION, Reports
from webapp.viewing.slices import KeptSlice


def report_of(client: FlaskClient, address: str, folder: Path) -> str:
    response = client.get(address)
    assert response.status_code == 200
    assert response.content_type == "application/pdf"
    return words_of(response.data, folder)


def test_the_page_leads_to_a_report_of_what_it_shows(client: FlaskClient, phantom: bytes, tmp_path: Path) -> None:
    address = upload(client, phantom, name="doe^jane.png")
    page = client.get(f"{address}?threshold=0.2").text
    link = re.search(r'href="([^"]+/report\.pdf[^"]*)"', page)
    assert link is not None
    words = report_of(client, link[1].replace("&amp;", "&"), tmp_path)
    told = client.get(f"{address}/figures.json?threshold=0.2").json
    assert told is not None
    assert told["sentence"] in words
    assert f"Lesion area {told['measurements']['lesion_area_px']:,} px" in words
    assert "Threshold 0.2." in words
    assert f"Result {address[-32:-26]}, read on " in words
    assert told["model"]["sha256"] in words
    assert told["notice"] in words
    # What a file is called may be whose it is.
    assert "doe" not in words


def test_it_is_a_file_to_keep_and_nothing_is_stored(client: FlaskClient, phantom: bytes, tmp_path: Path) -> None:
    address = upload(client, phantom)
    response = client.get(f"{address}/report.pdf")
    name = f"groundglass-{address[-32:-26]}-report.pdf"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Cache-Control"] == "no-store"
    assert list(tmp_path.rglob("*.pdf")) == []


def test_of_what_was_refused_it_carries_the_warning(client: FlaskClient, tmp_path: Path) -> None:
    image = np.repeat(draw_phantom(EXAMPLES["many"])[..., np.newaxis], 3, axis=2)
    image[:256, :256] = (200, 20, 20)
    address = upload(client, encode_png(image))
    words = report_of(client, f"{address}/report.pdf", tmp_path)
    assert words.count("This does not look like a chest CT: 25 % of the picture is in colour") == 1


def test_what_is_not_there_has_none(client: FlaskClient) -> None:
    assert client.get(f"/results/{'0' * 32}/report.pdf", headers=BROWSER).status_code == 404


def test_a_threshold_that_is_none_is_told(client: FlaskClient, phantom: bytes) -> None:
    assert client.get(f"{upload(client, phantom)}/report.pdf?threshold=x").status_code == 400


def test_of_what_was_refused_the_overlay_carries_it_too(client: FlaskClient, tmp_path: Path) -> None:
    image = np.repeat(draw_phantom(EXAMPLES["many"])[..., np.newaxis], 3, axis=2)
    image[:256, :256] = (200, 20, 20)
    address = upload(client, encode_png(image))
    page = picture_of(client.get(f"{address}/report.pdf").data, tmp_path).astype(int)
    assert np.all(np.abs(page - (240, 180, 41)) < 24, axis=-1).sum() > 500


def test_one_is_made_at_a_time(app: Flask, client: FlaskClient, phantom: bytes) -> None:
    address = f"{upload(client, phantom)}/report.pdf"
    reports = app.extensions[EXTENSION] = Reports(wait_s=0.0)
    with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}), reports.place():
        answer = client.get(address)
        assert client.get(address.replace("report.pdf", "overlay.png")).status_code == 200
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "Other reports are being made" in answer.get_json()["detail"]
    assert client.get(address).status_code == 200


def test_figures_are_measured_only_where_the_threshold_is_moved(
    client: FlaskClient, phantom: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = upload(client, phantom)
    asked: list[float] = []
    measure = KeptSlice.measurements

    def noted(kept: KeptSlice, threshold: float) -> dict[str, Any]:
        asked.append(threshold)
        return measure(kept, threshold)

    monkeypatch.setattr(KeptSlice, "measurements", noted)
    for options in ("", "?threshold=0.5", "?opacity=0.2", "?threshold=0.3"):
        assert client.get(f"{address}/report.pdf{options}").status_code == 200
    assert asked == [0.3]
