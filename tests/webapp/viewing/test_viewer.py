"""A slice as it is looked at, without a browser: drawn, measured and told for any threshold."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from model.overlay import COLOUR_MAPS, colour_table
from model.phantom import phantom_png
from tests.webapp.forms import BROWSER, post_file, upload


def read_png(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def pixels(client: FlaskClient, address: str) -> np.ndarray:
    response = client.get(address)
    assert response.status_code == 200
    return read_png(response.data)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[FlaskClient, str]:
    """A client, and the address of a slice with many lesions that was read at 0.5."""
    from app import create_app

    client = create_app({"results": tmp_path_factory.mktemp("viewer") / "results"}).test_client()
    return client, upload(client, phantom_png("many"))


Read = tuple[FlaskClient, str]


@pytest.mark.parametrize("threshold", ["0.01", "0.2", "0.37", "0.5", "0.75", "0.99"])
def test_figures_are_those_of_a_slice_that_was_read_at_the_threshold(read: Read, threshold: str) -> None:
    client, address = read
    told = client.get(f"{address}/figures.json?threshold={threshold}").json
    asked = post_file(client, f"/predict?output=json&threshold={threshold}", phantom_png("many")).json
    assert told is not None
    assert asked is not None
    assert told["measurements"] == asked["measurements"]
    assert told["threshold"] == float(threshold)


@pytest.mark.parametrize("threshold", ["0.2", "0.75"])
def test_the_page_tells_the_figures_at_its_threshold(read: Read, threshold: str) -> None:
    client, address = read
    told = client.get(f"{address}/figures.json?threshold={threshold}").json
    assert told is not None
    page = client.get(f"{address}?threshold={threshold}").text
    assert f">{told['sentence']}</h1>" in page
    assert f"{told['measurements']['lesion_area_px']:,} px" in page
    assert f'value="{threshold}"' in page


def test_the_mask_is_that_of_the_threshold(read: Read) -> None:
    client, address = read
    steps = pixels(client, f"{address}/probability.png")
    for threshold in (0.2, 0.75):
        mask = pixels(client, f"{address}/mask.png?threshold={threshold}&download=1")
        np.testing.assert_array_equal(mask > 0, (steps / 65535.0).astype(np.float32) >= np.float32(threshold))


def test_the_overlay_is_drawn_as_asked(read: Read) -> None:
    client, address = read
    usual = pixels(client, f"{address}/overlay.png")
    for option in ("threshold=0.2", "opacity=0.1", "colours=magma", "outline=0", "bar=0"):
        assert not np.array_equal(pixels(client, f"{address}/overlay.png?{option}"), usual), option
    same = "threshold=0.5&opacity=0.6&colours=viridis&outline=1&bar=1"
    np.testing.assert_array_equal(pixels(client, f"{address}/overlay.png?{same}"), usual)


def test_the_heat_map_shows_each_probability(read: Read) -> None:
    client, address = read
    steps = pixels(client, f"{address}/probability.png").astype(np.float32) / np.float32(65535)
    heat = pixels(client, f"{address}/heat.png?colours=inferno")
    np.testing.assert_array_equal(heat, colour_table("inferno")[np.rint(steps * 255).astype(int)])


def test_the_lung_is_kept(read: Read) -> None:
    client, address = read
    lung = pixels(client, f"{address}/lung.png")
    assert set(np.unique(lung)) == {0, 255}
    told = client.get(f"{address}/figures.json?threshold=0.3").json
    mask = pixels(client, f"{address}/mask.png?threshold=0.3")
    assert told is not None
    assert told["measurements"]["lung_area_px"] == np.count_nonzero((lung > 0) | (mask > 0))


def test_where_the_network_tells_no_lung_its_figures_stay_unknown(read: Read, app: Flask) -> None:
    client = app.test_client()
    address = upload(client, phantom_png("one"))
    folder = app.extensions["groundglass-settings"].results / address.rsplit("/", 1)[-1]
    (folder / "lung.png").unlink()
    told = client.get(f"{address}/figures.json?threshold=0.3").json
    assert told is not None
    assert told["measurements"]["lung_area_px"] is None
    assert "of the picture in" in told["sentence"]


@pytest.mark.parametrize("part", ["", "/overlay.png", "/mask.png", "/heat.png", "/figures.json"])
@pytest.mark.parametrize("option", ["threshold=x", "opacity=nan", "colours=jet", "outline=2"])
def test_bad_options_get_a_sentence(read: Read, part: str, option: str) -> None:
    client, address = read
    response = client.get(f"{address}{part}?{option}", headers=BROWSER)
    assert response.status_code == 400
    assert "The option " in response.text


def test_numbers_out_of_range_are_brought_into_it(read: Read) -> None:
    client, address = read
    low, high = (client.get(f"{address}/figures.json?threshold={text}").json for text in ("-5", "5"))
    assert low is not None
    assert high is not None
    assert (low["threshold"], high["threshold"]) == (0.01, 0.99)


@pytest.mark.parametrize("view", ["side", "original", "overlay", "mask", "heat"])
def test_every_view_has_a_link_that_keeps_the_rest(read: Read, view: str) -> None:
    client, address = read
    page = client.get(f"{address}?threshold=0.3&view={view}").text
    assert f'data-view="{view}"' in page
    links = re.findall(r'<a [^>]*data-look="(\w+)"[^>]*>', page)
    assert links == ["side", "original", "overlay", "mask", "heat"] or links[-1] == "why"
    shown = re.findall(r'<a [^>]*data-look="(\w+)"[^>]*aria-current="true"', page)
    assert shown == [view]


def test_files_to_keep_are_those_of_the_view(read: Read) -> None:
    client, address = read
    page = client.get(f"{address}?threshold=0.3&colours=magma").text.replace("&amp;", "&")
    for name in ("overlay", "mask"):
        link = re.search(rf'href="([^"]+/{name}\.png\?[^"]*download=1[^"]*)"', page)
        assert link is not None
        assert "threshold=0.3" in link[1]
        assert "colours=magma" in link[1]


def test_the_json_to_keep_is_that_of_the_threshold(read: Read) -> None:
    client, address = read
    response = client.get(f"{address}/figures.json?threshold=0.3&download=1")
    assert re.search(r'filename="groundglass-[0-9a-f]{6}-measurements\.json"', response.headers["Content-Disposition"])
    assert response.json is not None
    assert response.json["measurements"]["threshold"] == 0.3
    assert "not a medical device" in response.json["notice"]


def test_figures_are_kept_by_no_cache_and_colours_are(read: Read) -> None:
    client, address = read
    assert client.get(f"{address}/figures.json").headers["Cache-Control"] == "no-store"
    assert "max-age" in client.get("/colours.json").headers["Cache-Control"]


def test_browsers_get_the_colours_of_the_server(read: Read) -> None:
    told = read[0].get("/colours.json").json
    assert told is not None
    assert set(told["maps"]) == set(COLOUR_MAPS)
    for name, text in told["maps"].items():
        assert bytes.fromhex(text) == colour_table(name).tobytes()


@pytest.mark.parametrize("part", ["overlay.png", "heat.png", "figures.json"])
def test_an_unknown_result_has_none(read: Read, part: str) -> None:
    assert read[0].get(f"/results/{'0' * 32}/{part}").status_code == 404


@pytest.mark.parametrize(
    "name", ["original.png", "overlay.png", "mask.png", "heat.png", "probability.png", "why.png", "figures.json"]
)
@pytest.mark.parametrize("options", ["threshold=null", "opacity=half", "colours=jet", "outline=yes"])
def test_no_part_of_a_slice_is_sent_for_options_that_cannot_be_read(read: Read, name: str, options: str) -> None:
    client, address = read
    response = client.get(f"{address}/{name}?{options}")
    assert response.status_code == 400
    assert f"The option {options.partition('=')[0]} is" in response.get_json()["detail"]


@pytest.mark.parametrize("name", ["overlay.png", "figures.json"])
def test_what_is_not_to_be_kept_is_shown(client: FlaskClient, phantom: bytes, name: str) -> None:
    address = f"{upload(client, phantom)}/{name}"
    shown, kept, unknown = (client.get(f"{address}?download={text}") for text in ("0", "1", "yes"))
    assert "Content-Disposition" not in shown.headers
    assert kept.headers["Content-Disposition"].startswith("attachment")
    assert unknown.status_code == 400
    assert "The option download is 'yes'. Choose one of 0, 1." in unknown.get_json()["detail"]
