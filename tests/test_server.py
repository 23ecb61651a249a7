"""The real thing: gunicorn with its settings file and two workers, asked over the network."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import free_port
from model.phantom import phantom_png
from tests.webapp.forms import token_of
from tests.webapp.scans import nifti

ROOT = Path(__file__).parents[1]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    results: Path
    log: Path

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send one request on a connection of its own; return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def post(self, path: str, data: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Post a file in the field "file"; to pages, with the token and the cookie of the form."""
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="doe^jane.png"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        if not path.startswith("/predict"):
            _, answered, page = self.ask("GET", "/")
            field = '--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n'
            head = (field + token_of(page.decode()) + "\r\n").encode() + head
            headers = {"Cookie": answered["Set-Cookie"].partition(";")[0], **headers}
        return self.ask("POST", path, head + data + b"\r\n--x--\r\n", **kind, **headers)


def start(folder: Path, **environment: str) -> Server:
    port, log = free_port(), folder / "log"
    settings = {"PORT": str(port), "GROUNDGLASS_RESULTS": str(folder / "results"), "GROUNDGLASS_MAX_UPLOAD_MB": "2"}
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings | environment, stdout=file, stderr=subprocess.STDOUT
        )
    server = Server(process, port, folder / "results", log)
    wait_until_alive(server, environment.get("SCRIPT_NAME", ""))
    return server


def wait_until_alive(server: Server, prefix: str = "") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if server.ask("GET", f"{prefix}/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(server.log.read_text())


def stop(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=40)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("server"))
    yield server
    stop(server)


def test_predict_answers_with_a_png(server: Server, phantom: bytes) -> None:
    status, headers, body = server.post("/predict", phantom)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert body.startswith(PNG_SIGNATURE)


def test_every_worker_answers_for_every_result(server: Server, phantom: bytes) -> None:
    status, headers, _ = server.post("/upload", phantom, Accept="text/html")
    assert status == 303
    # Both workers take part: 20 connections do not all meet the same one.
    answers = [server.ask("GET", headers["Location"])[0] for _ in range(20)]
    assert answers == [200] * 20


def post_until_taken(server: Server, data: bytes) -> bytes:
    """Return the mask of a slice; whoever is turned away comes back, as Retry-After says."""
    for _ in range(30):
        status, headers, body = server.post("/predict?output=mask", data)
        if status != 503:
            assert status == 200
            return body
        time.sleep(int(headers["Retry-After"]))
    raise AssertionError("the server was never free")


def test_clients_at_the_same_time_get_their_own_answers(server: Server) -> None:
    uploads = [phantom_png("many"), phantom_png("none")] * 4
    with ThreadPoolExecutor(8) as pool:
        masks = list(pool.map(lambda data: post_until_taken(server, data), uploads))
    assert len(set(masks[0::2])) == 1
    assert len(set(masks[1::2])) == 1
    assert masks[0] != masks[1]


def test_json_over_the_wire(server: Server, phantom: bytes) -> None:
    answer = json.loads(server.post("/predict", phantom, Accept="application/json")[2])
    assert base64.b64decode(answer["segmented_image"]).startswith(PNG_SIGNATURE)


def test_too_large_an_upload_gets_its_sentence_and_not_a_reset(server: Server) -> None:
    status, _, body = server.post("/predict", bytes(20_000_000))
    assert status == 413
    assert "larger than 2 MB" in json.loads(body)["detail"]


def test_too_large_an_upload_of_unknown_length_gets_its_sentence(server: Server) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    connection.request("POST", "/predict", iter([head] + [bytes(100_000)] * 100), kind, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413
    assert "larger than 2 MB" in json.loads(response.read())["detail"]
    connection.close()


def test_a_long_form_of_unknown_length_under_another_boundary_gets_its_sentence(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    kind = {"Content-Type": "multipart/form-data; boundary=z"}
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    connection.request("POST", "/predict", iter([head] + [bytes(100_000)] * 100), kind, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 400
    assert "begins with the boundary" in json.loads(response.read())["detail"]
    connection.close()


def test_a_malformed_chunk_is_a_bad_request(server: Server) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head + b"ZZ\r\nabc\r\n")
        # Head and body may come in two pieces; the server closes after the last.
        with connection.makefile("rb") as stream:
            answer = stream.read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"broke off or is no proper form" in answer


def test_a_server_of_this_machine_alone_refuses_other_names(server: Server) -> None:
    assert [server.ask("GET", "/", Host=host)[0] for host in ("localhost", "[::1]:80", "evil.example")] == [
        200,
        200,
        400,
    ]


def test_the_log_names_no_file(server: Server, phantom: bytes) -> None:
    server.post("/predict", b"not a picture")
    server.post("/predict", phantom)
    assert "doe" not in server.log.read_text()


def test_results_expire_on_disk_without_visitors(tmp_path: Path, phantom: bytes) -> None:
    # A twentieth of a minute; the sweeper comes by every tenth of the lifetime.
    server = start(tmp_path, GROUNDGLASS_RESULT_MINUTES="0.05")
    try:
        location = server.post("/upload", phantom, Accept="text/html")[1]["Location"]
        assert list(server.results.iterdir()) != []
        deadline = time.monotonic() + 20
        while list(server.results.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        status, _, page = server.ask("GET", location, Accept="text/html")
        assert status == 404
        assert b"This result is gone" in page
    finally:
        stop(server)


def test_stopping_leaves_no_result_behind(tmp_path: Path, phantom: bytes) -> None:
    server = start(tmp_path)
    assert server.post("/upload", phantom)[0] == 303
    stop(server)
    assert server.process.returncode == 0
    assert list(server.results.iterdir()) == []


def wait_for_job(server: Server, address: str, condition: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition(json.loads(server.ask("GET", address)[2])):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_stopping_while_a_volume_is_read_is_no_crash(tmp_path: Path) -> None:
    server = start(tmp_path, WEB_CONCURRENCY="1")
    address = server.post("/predict?quality=1", gzip.compress(nifti(*["one"] * 60)))[1]["Location"]
    wait_for_job(server, address, lambda job: job["slices_done"] > 0)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=30)
    assert server.process.returncode == 0
    assert not re.search("terminate called|SIGABRT|SIGKILL|Traceback|Exception", server.log.read_text())
    assert list(server.results.iterdir()) == []


def test_a_worker_that_is_replaced_gives_its_volume_to_the_next(tmp_path: Path) -> None:
    server = start(tmp_path, WEB_CONCURRENCY="1")
    try:
        address = server.post("/predict", gzip.compress(nifti(*["one"] * 12)))[1]["Location"]
        wait_for_job(server, address, lambda job: job["slices_done"] > 0)
        server.process.send_signal(signal.SIGHUP)
        wait_for_job(server, address, lambda job: job["state"] == "done")
        assert list(server.results.glob("*/done-2")) != []
        assert "terminate called" not in server.log.read_text()
    finally:
        stop(server)


def test_without_weights_the_server_lives_and_says_so(tmp_path: Path, phantom: bytes) -> None:
    server = start(tmp_path, GROUNDGLASS_WEIGHTS=str(tmp_path / "none.xml"))
    try:
        status, _, body = server.ask("GET", "/readyz")
        assert status == 503
        assert re.search(r"none\.xml does not exist\. Check the path", json.loads(body)["detail"])
        assert server.post("/predict", phantom)[0] == 503
    finally:
        stop(server)


def test_a_bad_setting_stops_the_server_with_its_name(tmp_path: Path) -> None:
    environment = os.environ | {"GROUNDGLASS_THRESHOLD": "high", "PORT": str(free_port())}
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert answer.returncode != 0
    assert answer.stderr == "GROUNDGLASS_THRESHOLD must be of type float, got 'high'\n"


def test_workers_are_replaced_after_so_many_requests_and_nobody_notices(tmp_path: Path) -> None:
    server = start(tmp_path, WEB_CONCURRENCY="1", GUNICORN_CMD_ARGS="--max-requests 10 --max-requests-jitter 0")
    try:
        assert [server.ask("GET", "/healthz")[0] for _ in range(25)] == [200] * 25
        assert server.log.read_text().count("Booting worker") >= 2
    finally:
        stop(server)
