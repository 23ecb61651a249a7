"""What a real server with two workers tells of itself: figures, and a log that says nothing about anybody."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.phantoms import slice_bytes
from tests.test_server import Server, start, stop, wait_for_job
from tests.webapp.scans import nifti, zipped

NAMES = ("doe", "jane", "127.0.0.1:")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("monitor"))
    yield server
    stop(server)


def figures(server: Server) -> dict[str, float]:
    """Return the samples by name and labels."""
    status, headers, body = server.ask("GET", "/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    lines = [line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def lines_of(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_requests_add_up_over_workers(server: Server) -> None:
    name = 'groundglass_requests_total{endpoint="api.healthz",method="GET",status="200"}'
    before = figures(server)[name]
    # Which worker takes a connection is the system's choice, and may always be the same.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: server.ask("GET", "/healthz"), range(80)))
    assert figures(server)[name] == before + 80


def test_addresses_that_do_not_exist_are_one_endpoint(server: Server) -> None:
    before = figures(server)
    for number in range(3):
        server.ask("GET", f"/nothing/{number}")
    after = figures(server)
    name = 'groundglass_requests_total{endpoint="none",method="GET",status="404"}'
    assert after[name] == before.get(name, 0) + 3
    assert not [sample for sample in after if "nothing" in sample]


def test_stages_and_refusals_are_counted(server: Server, phantom: bytes) -> None:
    names = [f'groundglass_stage_seconds_count{{stage="{stage}"}}' for stage in ("decode", "network", "encode")]
    refused = 'groundglass_refusals_total{kind="not-an-image"}'
    before = figures(server)
    assert server.post("/predict", phantom)[0] == 200
    assert server.post("/predict", b"Dear radiologist,")[0] == 415
    after = figures(server)
    assert [after[name] - before.get(name, 0) for name in (*names, refused)] == [1, 1, 1, 1]


def test_jobs_are_told_by_where_they_stand(server: Server) -> None:
    assert figures(server)['groundglass_jobs{state="queued"}'] == 0
    assert figures(server)['groundglass_jobs{state="working"}'] == 0


def test_a_volume_that_cannot_be_read_is_counted(server: Server) -> None:
    name = 'groundglass_refusals_total{kind="damaged-image"}'
    before = figures(server).get(name, 0)
    address = server.post("/predict", nifti("one", "none")[:4000])[1]["Location"]
    wait_for_job(server, address, lambda job: job["state"] == "failed")
    assert figures(server)[name] == before + 1


def test_each_request_is_a_line_with_its_id(server: Server, phantom: bytes) -> None:
    headers = server.post("/predict", phantom)[1]
    line = next(line for line in lines_of(server) if line.get("request_id") == headers["X-Request-ID"])
    assert (line["message"], line["endpoint"], line["method"], line["status"]) == (
        "request",
        "api.predict",
        "POST",
        200,
    )
    assert line["bytes_in"] > len(phantom)
    assert line["bytes_out"] == int(headers["Content-Length"])
    assert line["milliseconds"] > 0
    assert line["model"].startswith("groundglass-")


def test_a_problem_names_its_request_and_its_kind(server: Server) -> None:
    _, headers, body = server.post("/predict", b"Dear radiologist,")
    problem = json.loads(body)
    assert problem["instance"] == f"urn:uuid:{uuid.UUID(headers['X-Request-ID'])}"
    line = next(line for line in lines_of(server) if line.get("request_id") == headers["X-Request-ID"])
    assert line["problem"] == "not-an-image"
    page = server.ask("GET", "/docs")[2].decode()
    assert f'id="{problem["type"].partition("#")[2]}"' in page


def test_an_id_that_a_client_makes_up_is_not_taken(server: Server) -> None:
    assert server.ask("GET", "/healthz", b"", **{"X-Request-ID": "doe^jane"})[1]["X-Request-ID"] != "doe^jane"


def test_the_log_is_json_and_names_nobody(server: Server, phantom: bytes) -> None:
    dicom = slice_bytes(PatientName="Doe^Jane", PatientID="doe-1970", StudyDescription="jane")
    series = zipped({f"doe-jane-{number}.dcm": slice_bytes(number, PatientName="Doe^Jane") for number in range(3)})
    for data in (phantom, dicom, series, b"doe", dicom[:600], series[:-30], nifti("one")[:900]):
        for address in ("/predict?wait=1", "/predict?patient=1", "/predict?output=doe-jane"):
            server.post(address, data)
    location = server.post("/predict", series)[1]["Location"]
    wait_for_job(server, location, lambda job: job["state"] in ("done", "failed"))
    server.ask("GET", "/doe/jane?doe=jane", b"", **{"User-Agent": "doe jane", "Referer": "http://jane/"})
    server.ask("GET", location + "/doe-jane")
    text = server.log.read_text()
    assert lines_of(server)
    assert not [name for name in NAMES if name in text.lower().replace(f"127.0.0.1:{server.port}", "")]
    assert location.rpartition("/")[2] not in text
    assert not re.search(r"\b[0-9a-f]{32}\b", text)


def test_a_malformed_request_is_logged_without_its_sender(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /doe-jane HTTP/9.9 jane\r\n\r\n")
        connection.recv(1000)
    said = [line["message"] for line in lines_of(server) if line["logger"] == "gunicorn.error"]
    assert "Invalid request" in said
    assert "jane" not in server.log.read_text()
