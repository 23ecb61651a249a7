"""What a call rests on, as pictures of a slice and of a slice of a volume."""

from __future__ import annotations

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image
from werkzeug.test import TestResponse

from app import create_app
from model.errors import Unexplained
from model.explain.seg_grad_cam import Explainer, explain_call
from model.phantom import phantom_png
from tests.webapp.forms import BROWSER, upload
from tests.webapp.scans import SIDE, nifti
from webapp import words
from webapp.jobs import queueing
from webapp.results import ResultStore
from webapp.settings import Settings
from webapp.viewing import why

Read = tuple[Flask, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app({"results": tmp_path_factory.mktemp("why") / "results"})


@pytest.fixture(scope="module")
def picture(server: Flask) -> str:
    """The address of a slice with lesions."""
    return upload(server.test_client(), phantom_png("many"))


@pytest.fixture(scope="module")
def volume(server: Flask) -> str:
    """The address of a volume of a slice with lesions and one without, its pixels twice as high as wide."""
    address = upload(server.test_client(), nifti("many", "none", spacing_mm=(2.5, 5.0, 8.0)), name="scan.nii")
    assert server.extensions[queueing.EXTENSION].work_once()
    return address


@pytest.fixture
def client(server: Flask) -> FlaskClient:
    return server.test_client()


def pixels(response: TestResponse) -> NDArray[np.int64]:
    assert response.status_code == 200, response.text
    assert response.content_type == "image/png"
    assert response.headers["Cache-Control"] == "no-store"
    return np.asarray(Image.open(io.BytesIO(response.data)), np.int64)


def detail_of(response: TestResponse, status: int) -> str:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    return str(response.get_json()["detail"])


def change(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Have the results told otherwise."""
    original = ResultStore.details

    def details(store: ResultStore, result_id: str) -> dict[str, Any] | None:
        told = original(store, result_id)
        return None if told is None else told | changes

    monkeypatch.setattr(ResultStore, "details", details)


def test_a_slice_shows_its_map_over_the_gray(client: FlaskClient, picture: str) -> None:
    shown = pixels(client.get(f"{picture}/why.png"))
    gray, called = (pixels(client.get(f"{picture}/{kind}.png")) for kind in ("original", "mask"))
    assert shown.shape == (*gray.shape, 3)
    found = explain_call(Explainer(), gray.astype(np.uint8), called > 0)
    # Where the map is high, gray becomes copper's amber; where it is low, it stays gray.
    red_over_blue = shown[..., 0] - shown[..., 2]
    assert np.median(red_over_blue[found > 0.8]) > 40
    assert abs(np.median(red_over_blue[found < 0.1])) < 5


def test_the_file_to_keep_has_a_legend_and_a_name(client: FlaskClient, picture: str) -> None:
    kept = client.get(f"{picture}/why.png?download=1")
    shown = pixels(client.get(f"{picture}/why.png"))
    assert kept.headers["Content-Disposition"].endswith('-why.png"')
    np.testing.assert_array_equal(pixels(kept)[: len(shown)], shown)
    assert len(pixels(kept)) > len(shown)


def test_another_threshold_explains_another_call(client: FlaskClient, picture: str) -> None:
    shown, same, other = (
        pixels(client.get(f"{picture}/why.png{options}")) for options in ("", "?threshold=0.5", "?threshold=0.1")
    )
    np.testing.assert_array_equal(shown, same)
    assert not np.array_equal(shown, other)


def test_the_threshold_is_that_of_the_result(client: FlaskClient) -> None:
    address = upload(client, phantom_png("one"), threshold="0.999")
    sentence = detail_of(client.get(f"{address}/why.png"), 409)
    assert sentence.startswith("No lesion is called at the threshold 0.999")
    assert pixels(client.get(f"{address}/why.png?threshold=0.5")).shape == (512, 512, 3)


def test_a_slice_of_a_volume_shows_its_map(client: FlaskClient, volume: str) -> None:
    shown = pixels(client.get(f"{volume}/slices/1/why.png"))
    gray = pixels(client.get(f"{volume}/slices/1/original.png"))
    assert shown.shape == (SIDE, SIDE, 3)
    assert (shown[..., 0] - shown[..., 2]).max() > 50
    # The corners are air, of which little is made.
    assert np.abs(shown[:8, :8] - gray[:8, :8, np.newaxis]).max() < 20


def test_a_slice_of_a_volume_is_explained_in_the_proportions_of_the_patient(
    client: FlaskClient, volume: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def explain(explanations: why.Explanations, gray: object, called: object, spacing_mm: object) -> None:
        asked.append(spacing_mm)

    def draw(*arguments: object, sides_known: bool, **how: object) -> bytes:
        asked.append(sides_known)
        return b""

    monkeypatch.setattr(why.Explanations, "explain", explain)
    monkeypatch.setattr(why, "explanation_png", draw)
    for spacing_mm in ([5.0, 2.5], None):
        change(monkeypatch, spacing_mm=spacing_mm)
        client.get(f"{volume}/slices/1/why.png")
    assert asked == [(5.0, 2.5), True, None, True]


def test_a_slice_without_lesion_says_so(client: FlaskClient, volume: str) -> None:
    sentence = detail_of(client.get(f"{volume}/slices/2/why.png?threshold=0.99"), 409)
    assert "No lesion is called at the threshold 0.99," in sentence


def test_a_browser_gets_the_sentence_as_a_page(client: FlaskClient, volume: str) -> None:
    response = client.get(f"{volume}/slices/2/why.png?threshold=0.99", headers=BROWSER)
    assert response.status_code == 409
    assert "so there is nothing to explain" in response.text
    assert response.content_type.startswith("text/html")


@pytest.mark.parametrize(
    "address",
    ["{volume}/why.png", "{volume}/slices/0/why.png", "{volume}/slices/3/why.png", "{picture}/slices/1/why.png"],
)
def test_what_does_not_exist_is_not_found(client: FlaskClient, picture: str, volume: str, address: str) -> None:
    detail_of(client.get(address.format(picture=picture, volume=volume)), 404)


def test_a_result_that_expired_is_not_found(client: FlaskClient) -> None:
    detail_of(client.get(f"/results/{32 * '0'}/why.png"), 404)
    detail_of(client.get(f"/results/{32 * '0'}/slices/1/why.png"), 404)


@pytest.mark.parametrize("text", ["much", "nan"])
def test_a_bad_threshold_is_told(client: FlaskClient, picture: str, text: str) -> None:
    assert text in detail_of(client.get(f"{picture}/why.png?threshold={text}"), 400)


def test_a_result_of_another_network_is_not_explained(
    client: FlaskClient, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch, model={"id": "groundglass-1", "sha256": 64 * "0"})
    sentence = detail_of(client.get(f"{picture}/why.png"), 409)
    assert sentence.startswith("This result is of the network groundglass-1, and the server now runs groundglass-2.")


def test_weights_for_tensorflow_are_not_explained(tmp_path: Path) -> None:
    explanations = why.Explanations(Settings(weights=tmp_path / "a.weights.h5"))
    with pytest.raises(Unexplained, match="served form"):
        explanations.explain(np.zeros((64, 64), np.uint8), np.ones((64, 64), np.bool_), None)


def test_the_explainer_is_loaded_once_and_when_first_asked_for(server: Flask, picture: str) -> None:
    app = create_app({"results": server.extensions["groundglass-results"]._folder})
    explanations, client = app.extensions[why.EXTENSION], app.test_client()
    client.get(picture)
    assert explanations._explainer is None
    client.get(f"{picture}/why.png")
    loaded = explanations._explainer
    client.get(f"{picture}/why.png?threshold=0.4")
    assert explanations._explainer is loaded is not None


def test_few_wait_and_the_others_are_told_to_come_back(
    server: Flask, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def explain(*arguments: object, **how: object) -> NDArray[np.float32]:
        begun.release()
        assert go_on.wait(30)
        return np.ones((512, 512), np.float32)

    monkeypatch.setattr(why, "explain_call", explain)
    answers: list[int] = []
    ask = lambda: answers.append(server.test_client().get(f"{picture}/why.png").status_code)  # noqa: E731
    waiting = [threading.Thread(target=ask) for _ in range(why.AT_ONCE)]
    for thread in waiting:
        thread.start()
    assert begun.acquire(timeout=30)
    places, until = server.extensions[why.EXTENSION]._places, time.monotonic() + 30
    while places._value and time.monotonic() < until:
        time.sleep(0.01)
    refused = server.test_client().get(f"{picture}/why.png")
    go_on.set()
    for thread in waiting:
        thread.join()
    assert "Try again in a moment" in detail_of(refused, 503)
    assert refused.headers["Retry-After"] == str(why.RETRY_AFTER_S)
    assert answers == [200, 200]
    assert server.test_client().get(f"{picture}/why.png").status_code == 200


def test_what_is_told_of_the_maps_is_what_was_measured(client: FlaskClient) -> None:
    measured = json.loads((Path(__file__).parents[3] / "docs/report/report.json").read_text())["explanation"]
    inside, median, chance = (
        f"{100 * measured[name]:.0f} %" for name in ("inside_trained", "inside_trained_median", "called_share")
    )
    assert f"on {measured['slices']} slices, {inside} lay within the called lesion on average" in words.WHY_MEASURED
    assert f"in the median slice {median}; a map that knew nothing would have {chance} there" in words.WHY_MEASURED
    told = " ".join(client.get("/help").text.split())
    assert f"{words.WHY} {words.WHY_MEASURED}" in told
