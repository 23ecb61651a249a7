"""File names that senders make up: in the form, in a zip file, in DICOM headers."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from flask import Flask

from tests.volume.written import write_series
from tests.webapp.forms import upload
from tests.webapp.scans import hounsfield, nifti, zipped
from tests.webapp.test_volumes import queue_of

NAMES = {
    "NUL": "scan\x00.exe.nii",
    "5,000 characters": "x" * 5_000 + ".nii",
    "right to left": "scan\u202efdp.nii",
    "formula": "=cmd|' /C calc'!A0.nii",
    "path": "../../../../etc/passwd",
    "script": "<script>alert(1)</script>.nii",
}


def page_of(app: Flask, content: bytes, name: str) -> str:
    """Upload a volume under a name, read it, and return its page."""
    client = app.test_client()
    address = upload(client, content, name=name)
    assert queue_of(app).work_once()
    page = client.get(address)
    assert page.status_code == 200
    return page.text


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_name_of_an_upload_does_no_harm(name: str, app: Flask, tmp_path: Path) -> None:
    page = page_of(app, nifti("one", "none"), name)
    assert "Lesions take" in page
    assert "<script>alert" not in page
    assert "x" * 100 not in page
    assert not [letter for letter in page if unicodedata.category(letter) in ("Cc", "Cf") and letter not in "\n\t"]
    assert not any("passwd" in path.name or "x" * 100 in path.name for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("name", [*NAMES.values(), "scan\r\nSet-Cookie: a=b.nii"], ids=[*NAMES, "line break"])
def test_the_names_in_a_zip_file_do_no_harm(name: str, app: Flask, tmp_path: Path) -> None:
    page = page_of(app, zipped({name: nifti("one", "none"), "b/" + name: b"no scan"}), "a.zip")
    assert "Lesions take" in page
    assert "<script>alert" not in page
    assert not any("passwd" in path.name for path in tmp_path.rglob("*"))


def test_the_description_of_a_series_does_no_harm(app: Flask, tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for number, description in enumerate(("<script>alert(1)</script>", "=cmd|' /C calc'!A0")):
        sources = write_series(
            tmp_path / str(number),
            hounsfield("one", "none")[: 2 - number],
            SeriesDescription=description,
            SeriesInstanceUID=f"1.2.3.{number + 1}",
        )
        files |= {f"{number}/{source.name}": source.path.read_bytes() for source in sources}
    page = page_of(app, zipped(files), "series.zip")
    assert "Of 2 series the largest was read" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
