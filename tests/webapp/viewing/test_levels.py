"""A volume at another threshold: held against the same volume that was read at it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from model.export.lines import FOLLOWING
from tests.webapp.forms import BROWSER, upload
from tests.webapp.scans import nifti
from tests.webapp.viewing.test_viewer import pixels
from webapp.jobs.queueing import EXTENSION

Read = tuple[FlaskClient, dict[float, str]]


def work(app: Flask) -> None:
    assert app.extensions[EXTENSION].work_once()


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """A client, and the addresses of one volume that was read at 0.5 and at 0.2."""
    app = create_app({"results": tmp_path_factory.mktemp("levels") / "results"})
    client, addresses = app.test_client(), {}
    for threshold in (0.5, 0.2):
        addresses[threshold] = upload(client, nifti("many", "one", "none"), name="scan.nii", threshold=str(threshold))
        work(app)
    return client, addresses


def figures(read: Read, read_at: float, threshold: float) -> dict[str, Any]:
    told = read[0].get(f"{read[1][read_at]}/figures.json?threshold={threshold}").json
    assert told is not None
    return dict(told)


def test_what_follows_is_what_is_read_at_the_threshold(read: Read) -> None:
    told, asked = figures(read, 0.5, 0.2), figures(read, 0.2, 0.2)
    for name in ("threshold", "sentence", "chart", "chart_says"):
        assert told[name] == asked[name], name
    lines, expected = dict(told["lines"]), dict(asked["lines"])
    assert {label for label in lines if label in FOLLOWING} == set(FOLLOWING) - {"Share of the lung in this slice"}
    for label in FOLLOWING:
        assert lines.get(label) == expected.get(label), label


def test_what_does_not_follow_stays_as_it_was_read(read: Read) -> None:
    told, before = figures(read, 0.5, 0.2), figures(read, 0.5, 0.5)
    lines, expected = dict(told["lines"]), dict(before["lines"])
    for label in set(lines) - set(FOLLOWING):
        assert lines[label] == expected[label], label
    assert lines["Lesion volume"] != expected["Lesion volume"]


def test_slices_tell_area_and_share_but_no_density(read: Read) -> None:
    told, asked = figures(read, 0.5, 0.2)["slices"], figures(read, 0.2, 0.2)["slices"]
    assert "HU" in asked[0]
    assert told == [re.sub(r"; mean [^.]*\.", ".", sentence) for sentence in asked]


def test_the_page_says_at_which_threshold_its_figures_are(read: Read) -> None:
    client, addresses = read
    page = client.get(f"{addresses[0.5]}?threshold=0.2&slice=1", headers=BROWSER).text
    told = figures(read, 0.5, 0.2)
    assert f">{told['sentence']}</h1>" in page
    assert f'id="shown">{told["slices"][0]}<' in page
    assert "<span data-when-moved> (at threshold 0.5)</span>" in page
    assert re.search(r'screen" data-when-moved>The overlay is as it is seen here', page)
    for label, value in told["lines"]:
        assert re.search(rf'data-line="{label}"[^>]*>{re.escape(value)}<', page), label


def test_where_it_was_read_nothing_is_marked(read: Read) -> None:
    client, addresses = read
    page = client.get(addresses[0.5], headers=BROWSER).text
    assert page.count("data-when-moved") == page.count("data-when-moved hidden") > 5


def test_links_to_slices_keep_the_view(read: Read) -> None:
    client, addresses = read
    page = client.get(f"{addresses[0.5]}?threshold=0.2&colours=magma&slice=2").text.replace("&amp;", "&")
    links = re.findall(r'href="(\?[^"]*slice=\d)"', page)
    assert len(links) == 2 + 3 + 3
    assert all("threshold=0.2" in link and "colours=magma" in link for link in links)


def test_pictures_of_slices_are_drawn_as_asked(read: Read) -> None:
    client, addresses = read
    overlays = [
        pixels(client, f"{addresses[read_at]}/slices/1/overlay.png?threshold=0.2&colours=magma")
        for read_at in addresses
    ]
    np.testing.assert_array_equal(overlays[0], overlays[1])
    masks = [pixels(client, f"{addresses[0.5]}/slices/1/mask.png?threshold={at}") for at in (0.2, 0.5)]
    assert np.count_nonzero(masks[0]) > np.count_nonzero(masks[1])
    assert pixels(client, f"{addresses[0.5]}/slices/1/heat.png").shape == (*masks[0].shape, 3)


@pytest.mark.parametrize("part", ["", "/slices/1/overlay.png", "/figures.json"])
def test_bad_options_get_a_sentence(read: Read, part: str) -> None:
    client, addresses = read
    response = client.get(f"{addresses[0.5]}{part}?threshold=x", headers=BROWSER)
    assert response.status_code == 400
    assert "The option threshold is " in response.text
