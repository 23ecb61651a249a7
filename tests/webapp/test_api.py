from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from app import create_app
from model.card import SHIPPED_WEIGHTS
from tests.webapp.forms import post_file


def read_png(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize("address", ["/predict", "/predict/"])
def test_predict_answers_with_the_overlay(client: FlaskClient, phantom: bytes, address: str) -> None:
    response = post_file(client, address, phantom)
    assert (response.status_code, response.content_type) == (200, "image/png")
    assert read_png(response.data).shape == (512, 512, 3)
    assert response.headers["Cache-Control"] == "no-store"


def test_mask_is_8_bit_0_or_255(client: FlaskClient, phantom: bytes) -> None:
    mask = read_png(post_file(client, "/predict?output=mask", phantom).data)
    assert mask.dtype == np.uint8
    assert mask.shape == (512, 512)
    assert set(np.unique(mask)) == {0, 255}


def test_probability_is_16_bit_and_agrees_with_the_mask(client: FlaskClient, phantom: bytes) -> None:
    probability = read_png(post_file(client, "/predict?output=probability", phantom).data)
    mask = read_png(post_file(client, "/predict?output=mask", phantom).data)
    assert probability.dtype == np.uint16
    unsure = np.abs(probability.astype(int) - 32768) <= 1
    np.testing.assert_array_equal((probability >= 32768)[~unsure], (mask == 255)[~unsure])


@pytest.mark.parametrize(
    ("address", "headers"), [("/predict?output=json", None), ("/predict", {"Accept": "application/json"})]
)
def test_json_carries_measurements_model_and_pictures(
    client: FlaskClient, phantom: bytes, address: str, headers: dict[str, str] | None
) -> None:
    answer = post_file(client, address, phantom, headers=headers).get_json()
    mask = read_png(base64.b64decode(answer["images"]["mask"]))
    assert answer["measurements"]["lesion_area_px"] == np.count_nonzero(mask) > 0
    assert answer["segmented_image"] == answer["images"]["mask"]
    assert answer["threshold"] == 0.5
    assert answer["model"]["id"] == SHIPPED_WEIGHTS.stem
    assert len(answer["model"]["sha256"]) == 64
    assert set(answer["images"]) == {"overlay", "mask", "probability"}
    assert answer["measurements"]["lesion_area_mm2"] is None
    assert "not a medical device" in answer["notice"]


def test_the_option_output_goes_before_the_accept_header(client: FlaskClient, phantom: bytes) -> None:
    response = post_file(client, "/predict?output=mask", phantom, headers={"Accept": "application/json"})
    assert response.content_type == "image/png"


def test_options_may_be_form_fields(client: FlaskClient, phantom: bytes) -> None:
    answer = post_file(client, "/predict", phantom, output="json", threshold="0.7").get_json()
    assert answer["threshold"] == 0.7


def test_quality_averages_several_looks(client: FlaskClient, phantom: bytes) -> None:
    plain, careful = (
        post_file(client, f"/predict?output=json&quality={quality}", phantom).get_json() for quality in ("0", "1")
    )
    assert (plain["quality"], careful["quality"]) == (False, True)
    assert plain["images"]["probability"] != careful["images"]["probability"]


def test_another_quality_than_0_or_1_is_refused(client: FlaskClient, phantom: bytes) -> None:
    response = post_file(client, "/predict", phantom, quality="best")
    assert response.status_code == 400
    assert "The option quality is 'best'; it can be 1" in response.get_json()["detail"]


def test_the_threshold_changes_the_mask(client: FlaskClient, phantom: bytes) -> None:
    low, high = (
        read_png(post_file(client, f"/predict?output=mask&threshold={threshold}", phantom).data)
        for threshold in ("0.2", "0.8")
    )
    assert np.count_nonzero(low) > np.count_nonzero(high)
    assert not np.any((high == 255) & (low == 0))


def test_predict_keeps_nothing(client: FlaskClient, phantom: bytes, tmp_path: Path) -> None:
    post_file(client, "/predict", phantom)
    # But for how often which client has asked.
    assert [file.name for file in tmp_path.rglob("*")] == ["results-rates.sqlite3"]


def test_healthz_answers_without_weights(tmp_path: Path) -> None:
    client = create_app({"weights": tmp_path / "none.xml"}).test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_readyz_names_the_model(client: FlaskClient) -> None:
    answer = client.get("/readyz").get_json()
    assert answer["status"] == "ready"
    assert answer["model"]["id"] == SHIPPED_WEIGHTS.stem


def test_the_address_goes_before_the_form(client: FlaskClient, phantom: bytes) -> None:
    assert (
        post_file(client, "/predict?output=json&threshold=0.4", phantom, threshold="0.7").get_json()["threshold"] == 0.4
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/predict?threshold=0.3&threshold=0.7", "The option threshold is both '0.3' and '0.7'. Send one of them."),
        ("/predict?quality=1&quality=0", "The option quality is both '1' and '0'. Send one of them."),
        ("/upload?quality=0&quality=0&quality=1", "The option quality is both '0' and '1'. Send one of them."),
    ],
)
def test_an_option_with_two_values_is_refused(client: FlaskClient, phantom: bytes, address: str, said: str) -> None:
    response = post_file(client, address, phantom)
    assert (response.status_code, response.get_json()["title"]) == (400, "Invalid option")
    assert response.get_json()["detail"] == said


def test_a_value_that_is_sent_again_is_taken(client: FlaskClient, phantom: bytes) -> None:
    answer = post_file(client, "/predict?output=json&threshold=0.4&threshold=0.4", phantom, threshold="0.4")
    assert answer.get_json()["threshold"] == 0.4


@pytest.mark.parametrize("address", ["/predict?threshold=0.4&threshold=2", "/predict?quality=1"])
def test_a_value_that_another_goes_before_must_be_readable_too(client: FlaskClient, address: str) -> None:
    response = post_file(client, address, b"x", threshold="0.4", quality="best")
    assert response.status_code == 400
    assert response.get_json()["type"] == "/docs#problem-invalid-option"
