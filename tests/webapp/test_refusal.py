"""What does not look like a chest CT: refused by pages and API, and read where its sender insists."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from model.__main__ import main
from model.phantom import EXAMPLES, draw_phantom
from tests.webapp.forms import BROWSER, post_file, upload
from tests.webapp.test_volumes import queue_of

REFUSED = "This does not look like a chest CT"


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def stripes() -> np.ndarray:
    """(256, 256) uint8, stripes of noise."""
    image = np.full((256, 256), 255, np.uint8)
    rng = np.random.default_rng(0)
    for top in range(20, 240, 12):
        image[top : top + 6, 20:236] = np.where(rng.random((6, 216)) < 0.5, 0, 255)
    return image


@pytest.fixture
def coloured() -> bytes:
    """A phantom of which a quarter is red."""
    image = np.repeat(draw_phantom(EXAMPLES["many"])[..., np.newaxis], 3, axis=2)
    image[:256, :256] = (200, 20, 20)
    return encoded(image)


def test_predict_refuses_with_a_reason_and_what_to_do(client: FlaskClient, stripes: np.ndarray) -> None:
    response = post_file(client, "/predict", encoded(stripes))
    assert (response.status_code, response.content_type) == (422, "application/problem+json")
    assert response.get_json()["detail"] == (
        f"{REFUSED}; it looks more like a photograph. Send it with force=1 to have it read anyway."
    )


def test_predict_reads_it_by_force_and_keeps_the_warning(client: FlaskClient, coloured: bytes) -> None:
    assert post_file(client, "/predict?output=json", coloured).status_code == 422
    answer = post_file(client, "/predict?output=json&force=1", coloured).get_json()
    assert answer["recognition"]["refused"] is True
    assert answer["recognition"]["kind"] == "colour picture"
    assert answer["notes"][0] == answer["recognition"]["sentence"]
    assert "25 % of the picture is in colour" in answer["notes"][0]


def test_a_chest_ct_is_read_without_a_word(client: FlaskClient, phantom: bytes) -> None:
    answer = post_file(client, "/predict?output=json", phantom).get_json()
    assert answer["recognition"] == {"kind": "chest CT", "refused": False, "sentence": ""}
    assert answer["notes"] == []


def test_an_upside_down_slice_is_read_with_a_warning(client: FlaskClient) -> None:
    turned = encoded(np.ascontiguousarray(draw_phantom(EXAMPLES["many"])[::-1]))
    answer = post_file(client, "/predict?output=json", turned).get_json()
    assert answer["recognition"]["kind"] == "upside down"
    assert answer["notes"] == ["This looks like a chest CT that is upside down. Turn it so that the spine is below."]


def test_the_page_shows_the_reason_and_one_click_further_the_result(client: FlaskClient, coloured: bytes) -> None:
    address = upload(client, coloured)
    page = client.get(address, headers=BROWSER).get_data(as_text=True)
    assert REFUSED in page
    assert "25 % of the picture is in colour" in page
    assert "Lesion area" not in page
    assert f'href="{address}?force=1"' in page
    assert client.get(f"{address}/original.png").status_code == 200
    forced = client.get(f"{address}?force=1", headers=BROWSER).get_data(as_text=True)
    assert "Lesion area" in forced
    assert "25 % of the picture is in colour" in forced


def volume_of(image: np.ndarray, slices: int = 3) -> bytes:
    """A NIfTI file in Hounsfield units whose slices all show a picture of gray values."""
    voxels = np.stack([image.T / 255.0 * 1500.0 - 1250.0] * slices, axis=2).astype(np.int16)
    return bytes(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 5.0, 1.0])).to_bytes())


def test_a_volume_is_refused_by_its_slices(app: Flask, client: FlaskClient, stripes: np.ndarray) -> None:
    job = post_file(client, "/predict", volume_of(stripes), name="scan.nii").headers["Location"]
    assert queue_of(app).work_once()
    answer = client.get(job).get_json()
    assert (answer["state"], "measurements" in answer) == ("failed", False)
    assert answer["sentence"].startswith(f"{REFUSED}; it looks more like a photograph.")
    assert "Slices that were looked at: 3; that look like a chest: 0." in answer["sentence"]


def test_a_volume_on_the_page_is_one_click_away(app: Flask, client: FlaskClient, stripes: np.ndarray) -> None:
    address = upload(client, volume_of(stripes), name="scan.nii")
    assert queue_of(app).work_once()
    page = client.get(address, headers=BROWSER).get_data(as_text=True)
    assert REFUSED in page
    assert "slices/2/original.png" in page
    forced = client.get(f"{address}?force=1", headers=BROWSER).get_data(as_text=True)
    assert 'id="viewer"' in forced
    assert "that look like a chest: 0" in forced


def test_the_command_line_refuses_and_reads_by_force(
    tmp_path: Path, stripes: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.png").write_bytes(encoded(stripes))
    arguments = ["segment", str(tmp_path / "page.png"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "a photograph. To read it all the same: --force" in capsys.readouterr().err
    assert not (tmp_path / "out" / "page_mask.png").exists()
    assert main([*arguments, "--force"]) == 0
    assert REFUSED in (tmp_path / "out" / "measurements.csv").read_text(encoding="utf-8")


def test_quality_tells_how_far_the_mirrored_readings_agree(client: FlaskClient, phantom: bytes) -> None:
    close = post_file(client, "/predict?output=json&quality=1", phantom).get_json()
    assert 0.5 < close["flip_dice"] <= 1.0
    assert json.dumps(post_file(client, "/predict?output=json", phantom).get_json()["flip_dice"]) == "null"


def read_png(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize("output", ["overlay", "mask", "probability"])
def test_pictures_of_what_was_refused_carry_the_warning(client: FlaskClient, coloured: bytes, output: str) -> None:
    forced = read_png(post_file(client, f"/predict?output={output}&force=1", coloured).data)
    assert forced.info["Warning"].startswith(REFUSED)


@pytest.mark.parametrize("name", ["overlay", "mask", "heat", "probability"])
def test_downloads_of_what_was_refused_carry_the_warning(client: FlaskClient, coloured: bytes, name: str) -> None:
    address = upload(client, coloured)
    kept = read_png(client.get(f"{address}/{name}.png?download=1&threshold=0.3").data)
    assert kept.info["Warning"].startswith(REFUSED)


def test_files_of_a_volume_that_was_refused_carry_the_warning(
    app: Flask, client: FlaskClient, stripes: np.ndarray
) -> None:
    address = upload(client, volume_of(stripes), name="scan.nii")
    assert queue_of(app).work_once()

    def kept(name: str) -> bytes:
        with client.get(f"{address}/files/{name}") as response:
            return bytes(response.data)

    for name in ("mask.nii.gz", "probability.nii.gz"):
        header = nibabel.Nifti1Image.from_bytes(gzip.decompress(kept(name))).header
        assert bytes(header["descrip"]).startswith(b"does not look like a chest CT")
    assert read_png(kept("montage.png")).info["Warning"].startswith(REFUSED)
    assert json.loads(kept("measurements.json"))["notes"][0].startswith(REFUSED)
    assert "does not look like a chest CT" in kept("measurements.csv").decode().splitlines()[1]
    for kind in ("overlay", "mask", "heat", "probability"):
        slice_kept = read_png(client.get(f"{address}/slices/1/{kind}.png?download=1").data)
        assert slice_kept.info["Warning"].startswith(REFUSED), kind
    for threshold in ("", "?threshold=0.3"):
        told = client.get(f"{address}/figures.json{threshold}").get_json()
        assert told["recognition"]["refused"] is True
        assert told["notes"][0].startswith(REFUSED)
        assert told["notice"].startswith("For research only")
        assert told["model"]["id"]
