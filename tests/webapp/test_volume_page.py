"""What the page of a volume shows beside the figures: sides, legend, chart."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from app import create_app
from tests.webapp.forms import upload
from tests.webapp.scans import SIDE, nifti
from webapp.jobs.queueing import EXTENSION
from webapp.results import ResultStore
from webapp.words import LUNG_FOLLOWS

Read = tuple[FlaskClient, str]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """A client, and the address of a volume of two slices that was read."""
    app = create_app({"results": tmp_path_factory.mktemp("page") / "results"})
    client = app.test_client()
    address = upload(client, nifti("many", "none"), name="scan.nii")
    assert app.extensions[EXTENSION].work_once()
    return client, address


def change(monkeypatch: pytest.MonkeyPatch, *, volume: dict[str, Any] | None = None, **changes: Any) -> None:
    """Have the results told otherwise; None takes a detail out."""
    original = ResultStore.details

    def details(store: ResultStore, result_id: str) -> dict[str, Any] | None:
        told = original(store, result_id)
        assert told is not None
        told["volume"] |= volume or {}
        return {name: value for name, value in (told | changes).items() if value is not None or name not in changes}

    monkeypatch.setattr(ResultStore, "details", details)


def letters_of(page: str) -> list[str]:
    return re.findall(r'<span class="side \w+"[^>]*>(\w)</span>', page)


def picture(client: FlaskClient, address: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(client.get(address).data)).convert("RGB"), np.uint8)


@pytest.mark.parametrize("right", [None, {"lung_px": 3}])
def test_both_pictures_say_which_side_is_which(read: Read, right: object, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = read
    change(monkeypatch, sides_known=True, volume={"right": right})
    page = client.get(address).text
    assert letters_of(page) == ["R", "L", "R", "L"]
    assert "sides unknown" not in page


@pytest.mark.parametrize("right", [None, {"lung_px": 3}])
def test_unknown_sides_have_no_letters_and_are_told(read: Read, right: object, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = read
    change(monkeypatch, sides_known=False, volume={"right": right})
    page = client.get(address).text
    assert letters_of(page) == []
    assert page.count("sides unknown") == 2


def test_where_lungs_were_told_apart_the_sides_are_known(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = read
    change(monkeypatch, sides_known=None)
    assert letters_of(client.get(address).text) == ["R", "L", "R", "L"]


def test_letters_are_written_into_no_picture_of_the_page(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = read
    pictures = []
    for known in (True, False):
        change(monkeypatch, sides_known=known)
        pictures.append([picture(client, f"{address}/slices/1/{kind}.png") for kind in ("original", "overlay")])
    assert np.array_equal(pictures[0], pictures[1])


def test_letters_are_written_into_the_overlay_to_keep(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = read
    pictures = []
    for known in (True, False):
        change(monkeypatch, sides_known=known)
        pictures.append(picture(client, f"{address}/slices/1/overlay.png?download=1"))
    columns = np.nonzero(np.any(pictures[0] != pictures[1], axis=-1))[1]
    assert set(columns // (SIDE // 8)) == {0, 7}


@pytest.mark.parametrize(
    ("threshold", "place", "anchor"), [(0.5, "50%", "middle"), (0.05, "5%", "start"), (0.95, "95%", "end")]
)
def test_there_is_one_legend_with_the_threshold_at_its_place(
    read: Read, threshold: float, place: str, anchor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, address = read
    change(monkeypatch, volume={"threshold": threshold})
    page = client.get(address).text
    assert page.count('class="legend"') == 1
    assert f'<line x1="{place}" x2="{place}"' in page
    assert f'text-anchor="{anchor}">threshold {threshold:g}</text>' in page
    stops = re.findall(r'<stop offset="([\d.]+)" stop-color="(#\w{6})"/>', page)
    assert (stops[0], stops[-1]) == (("0.0", "#440154"), ("1.0", "#fde725"))


def test_the_chart_says_how_large_its_highest_bar_is(read: Read) -> None:
    client, address = read
    told = re.search(r"the highest bar is ([\d.]+) cm², of slice 1\.", client.get(address).text)
    assert told is not None
    assert f">{told[1]} cm² of lesion" in client.get(f"{address}?slice=1").text


@pytest.mark.parametrize(("number", "x"), [(1, 5), (2, 15)])
def test_the_chart_marks_the_slice_that_is_shown(read: Read, number: int, x: int) -> None:
    client, address = read
    page = client.get(f"{address}?slice={number}").text
    assert f'id="here" x1="{x}" x2="{x}"' in page
    assert page.count('class="here"') == 1
    assert re.search(rf'href="\?slice={number}" tabindex="-1" aria-label="Slice {number}" class="here"', page)


def test_a_slice_that_was_not_read_has_no_bar_and_says_so(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = read
    rows = client.get(address.replace("results", "jobs")).json["measurements"]["slices"]  # type: ignore[index]
    rows[0] |= {"is_read": False, "lesion_area_px": None, "lesion_area_mm2": None}
    change(monkeypatch, slices=rows)
    page = client.get(f"{address}?slice=1").text
    assert re.search(r'id="shown"[^>]*>This slice was not read', page)
    assert "the highest bar is" in page


def test_the_size_of_the_volume_is_told(read: Read) -> None:
    client, address = read
    assert "2 slices × 128 rows × 128 columns, voxels of 8 × 2.5 × 2.5 mm" in client.get(address).text


def test_where_the_threshold_is_moved_it_says_that_the_lung_follows(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, address = read
    moved, as_read = (" ".join(client.get(address + query).text.split()) for query in ("?threshold=0.2", ""))
    assert f'<p class="aside" data-when-moved>{LUNG_FOLLOWS}</p>' in moved
    assert f'<p class="aside" data-when-moved hidden>{LUNG_FOLLOWS}</p>' in as_read
    change(monkeypatch, volume={"lung_voxels": None})
    assert LUNG_FOLLOWS not in client.get(address).text


def test_what_most_want_to_keep_comes_first(read: Read) -> None:
    client, address = read
    labels = re.findall(r'<a class="button"[^>]*>([^<]+)</a>', client.get(address).text)
    assert labels == [
        "Report, PDF",
        "Overlay of this slice, PNG",
        "Montage, PNG",
        "Slices, CSV",
        "Measurements, JSON",
        "Mask, NIfTI",
        "Probabilities, NIfTI",
    ]


@pytest.mark.parametrize(("spacing_mm", "height"), [([5.0, 2.5], "256.0"), ([2.5, 2.5], "128.0"), (None, "128.0")])
def test_both_pictures_have_the_proportions_of_the_patient(
    read: Read, spacing_mm: list[float] | None, height: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, address = read
    change(monkeypatch, spacing_mm=spacing_mm)
    assert client.get(address).text.count(f'<svg viewBox="0 0 128 {height}">') == 2


@pytest.mark.parametrize("name", ["original", "overlay", "mask", "heat", "probability", "why"])
def test_no_picture_is_sent_for_options_that_cannot_be_read(read: Read, name: str) -> None:
    client, address = read
    response = client.get(f"{address}/slices/1/{name}.png?threshold=null")
    assert response.status_code == 400
    assert "The option threshold is 'null', which is no number. Try 0.5." in response.get_json()["detail"]


def test_its_figures_are_sent_as_a_file_to_keep(read: Read) -> None:
    client, address = read
    sent = client.get(f"{address}/figures.json?download=1").headers["Content-Disposition"]
    assert sent == f'attachment; filename="groundglass-{address[-32:][:6]}-measurements.json"'
