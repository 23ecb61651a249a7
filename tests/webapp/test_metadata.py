"""What an upload says beside its pixels: in no output, but for what the DICOM SEG repeats on purpose."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import subprocess

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.phantoms import SLICES, dicom_bytes, phantom, slice_dataset
from tests.webapp.forms import post_file, upload
from tests.webapp.scans import zipped
from tests.webapp.test_volumes import queue_of

REPEATED = {
    "PatientName": "Namen^Nora",
    "PatientID": "IDENT-4711",
    "AccessionNumber": "ACCES-4712",
    "StudyID": "STUDY-4713",
    "ReferringPhysicianName": "Referrer^Rita",
    "PatientBirthDate": "19510203",
    "StudyDate": "20200405",
    "StudyTime": "060708",
    "PatientSex": "F",
}
"""What viewers know a patient and a study by: the SEG is shown over the series that has the same."""

SECRET = {
    "InstitutionName": "Hospital-Hidden",
    "InstitutionAddress": "Street-Hidden",
    "OperatorsName": "Operator^Hidden",
    "PerformingPhysicianName": "Performer^Hidden",
    "PatientAddress": "Home-Hidden",
    "PatientTelephoneNumbers": "Phone-Hidden",
    "OtherPatientIDs": "Other-Hidden",
    "PatientComments": "Comment-Hidden",
    "StudyDescription": "Study-Hidden",
    "SeriesDescription": "Series-Hidden",
    "ProtocolName": "Protocol-Hidden",
    "StationName": "Station-Hidden",
    "DeviceSerialNumber": "Serial-Hidden",
    "EthnicGroup": "Group-Hidden",
    "AdditionalPatientHistory": "History-Hidden",
    "ImageComments": "Image-Hidden",
}


def of_patient(number: int) -> Dataset:
    """A slice that says more than it should."""
    dataset = slice_dataset(phantom()[number], number, **REPEATED, **SECRET)
    block = dataset.private_block(0x0011, "Creator-Hidden", create=True)
    block.add_new(0x01, "LO", "Private-Hidden")
    return dataset


def words(name: str, data: bytes) -> bytes:
    """Return a file with what is packed in it; of a report also what can be read."""
    if name.endswith(".gz"):
        return data + gzip.decompress(data)
    return data + report_text(data) if name.endswith(".pdf") else data


def report_text(pdf: bytes) -> bytes:
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("pdftotext is not installed")
    return subprocess.run([reader, "-layout", "-", "-"], input=pdf, capture_output=True, check=True).stdout


def outputs(client: FlaskClient, address: str) -> dict[str, bytes]:
    """Return all that is handed out of a result: its page, its pictures, its files, what its job tells."""
    job = client.get(address.replace("/results/", "/jobs/")).json or {}
    page = client.get(address).text
    links = {link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="(/results/[^"#]+)"', page)}
    found = {address: page.encode(), "job": json.dumps(job).encode()}
    for link in sorted(links | {str(link) for link in job.get("files", {}).values()}):
        with client.get(link) as answer:
            assert answer.status_code == 200, link
            found[link] = answer.data
    return found


@pytest.fixture
def of_series(app: Flask) -> dict[str, bytes]:
    """The outputs of a series that says too much."""
    client = app.test_client()
    files = {f"{number}.dcm": dicom_bytes(of_patient(number)) for number in range(SLICES)}
    assert all(text.encode() in files["0.dcm"] for text in (REPEATED | SECRET).values())
    address = upload(client, zipped(files), name="series.zip")
    queue_of(app).work_once()
    return outputs(client, address)


def test_a_series_tells_nothing_of_its_patient_but_in_the_seg(of_series: dict[str, bytes]) -> None:
    kinds = {name.partition("?")[0].rpartition(".")[2] for name in of_series}
    assert kinds >= {"png", "pdf", "gz", "dcm", "csv", "json"}
    for name, data in of_series.items():
        if not name.endswith(".dcm"):
            told = words(name, data)
            for text in (*REPEATED.values(), *SECRET.values(), "Nora", "Rita", "Hidden"):
                assert len(text) < 3 or text.encode() not in told, (name, text)


def test_a_report_that_is_to_name_the_patient_does(app: Flask) -> None:
    # And so the search above would find a name in a report that is not to.
    files = {f"{number}.dcm": dicom_bytes(of_patient(number)) for number in range(SLICES)}
    address = upload(app.test_client(), zipped(files), name="series.zip", patient="1")
    queue_of(app).work_once()
    with app.test_client().get(f"{address}/files/report.pdf") as answer:
        report = report_text(answer.data)
    assert b"Namen" in report
    assert b"Hidden" not in report


def test_the_seg_repeats_what_links_it_and_nothing_else(of_series: dict[str, bytes]) -> None:
    (data,) = (data for name, data in of_series.items() if name.endswith(".dcm"))
    assert b"Hidden" not in data
    seg = dcmread(io.BytesIO(data))
    assert {name: str(seg[name].value) for name in REPEATED} == REPEATED
    assert not [element for element in seg.iterall() if element.tag.is_private]


def test_one_dicom_file_tells_nothing_of_its_patient(client: FlaskClient) -> None:
    data = dicom_bytes(of_patient(2))
    for output in ("overlay", "mask", "probability", "json"):
        answer = post_file(client, f"/predict?output={output}", data, name="Namen.dcm").data
        for text in (*REPEATED.values(), "Namen", "Hidden"):
            assert len(text) < 3 or text.encode() not in answer, (output, text)


def jpeg_with_place(png: bytes) -> bytes:
    """A JPEG as a telephone makes it: where it was made, by whom, with what, and a comment."""
    exif = Image.Exif()
    exif[0x013B], exif[0x010F], exif[0x9286] = "Artist-Hidden", "Maker-Hidden", "Comment-Hidden"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 21.0, 5.0), 29: "2020:04:05"})
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "JPEG", exif=exif, comment=b"Jpeg-Hidden", quality=95)
    return buffer.getvalue()


def png_with_text(png: bytes) -> bytes:
    info = PngInfo()
    info.add_text("Author", "Author-Hidden")
    info.add_itxt("Comment", "Packed-Hidden", zip=True)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).save(buffer, "PNG", pnginfo=info, icc_profile=b"Profile-Hidden" * 20)
    return buffer.getvalue()


def tiff_with_tags(png: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).save(buffer, "TIFF", tiffinfo={270: "Description-Hidden", 315: "Artist-Hidden"})
    return buffer.getvalue()


@pytest.mark.parametrize("make", [jpeg_with_place, png_with_text, tiff_with_tags])
def test_a_picture_is_handed_out_without_what_it_says_beside(client: FlaskClient, phantom: bytes, make: object) -> None:
    assert callable(make)
    data = make(phantom)
    assert Image.open(io.BytesIO(data)).size == (512, 512)
    found = outputs(client, upload(client, data, name="a.png"))
    pictures = [content for content in found.values() if content.startswith(b"\x89PNG")]
    assert len(pictures) >= 4
    for picture in pictures:
        image = Image.open(io.BytesIO(picture))
        image.load()
        assert image.info == {}
        assert not image.getexif()
    for name, content in found.items():
        assert b"Hidden" not in content, name
        assert b"2020:04:05" not in content, name
