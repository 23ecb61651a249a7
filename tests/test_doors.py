"""The doors of the real thing: gunicorn with two workers, asked over the network as whoever means no good would."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.serving import free_port
from tests.test_server import ROOT, Server, start, stop, wait_until_alive
from tests.webapp.forms import token_of

BEGIN = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: 100000\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("doors")
    server = start(
        folder,
        GROUNDGLASS_SECRET_KEY_FILE=str(folder / "key"),
        GROUNDGLASS_RATE_LOOK="40/hour",
        GROUNDGLASS_TRUSTED_PROXIES="127.0.0.1",
    )
    yield server
    stop(server)


def test_all_workers_count_together(server: Server) -> None:
    # Each on a connection of its own, so that both workers take part; as a client of its own, by the trusted proxy.
    answers = [server.ask("GET", "/help", b"", **{"X-Forwarded-For": "192.0.2.1"}) for _ in range(60)]
    assert Counter(status for status, _, _ in answers) == {200: 40, 429: 20}
    assert 3500 < int(answers[-1][1]["Retry-After"]) <= 3600
    assert server.ask("GET", "/help", b"", **{"X-Forwarded-For": "192.0.2.2"})[0] == 200


def test_all_workers_know_each_others_forms(server: Server) -> None:
    client = {"X-Forwarded-For": "192.0.2.3"}
    _, headers, page = server.ask("GET", "/", b"", **client)
    body = f"csrf_token={token_of(page.decode())}&phantom=cat".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": headers["Set-Cookie"].partition(";")[0]}
    answers = [server.ask("POST", "/upload", body, **client, **kind) for _ in range(12)]
    # The token was taken by all: what is wrong is the phantom alone.
    assert all(b"There is no phantom" in answer for _, _, answer in answers)


def test_the_key_is_kept_for_the_servers_own_user(server: Server) -> None:
    assert stat.S_IMODE((server.results.parent / "key").stat().st_mode) == 0o600


def test_https_is_known_from_the_proxy(server: Server) -> None:
    secure = {"X-Forwarded-For": "192.0.2.4", "X-Forwarded-Proto": "https"}
    headers = server.ask("GET", "/", b"", **secure)[1]
    assert headers["Set-Cookie"].startswith("__Host-groundglass=")
    assert "Strict-Transport-Security" in headers
    assert "Strict-Transport-Security" not in server.ask("GET", "/", b"", **{"X-Forwarded-For": "192.0.2.4"})[1]


def test_a_field_that_is_no_file_must_be_short(server: Server) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="threshold"\r\n\r\n' + b"0" * 200_000 + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x", "X-Forwarded-For": "192.0.2.5"}
    status, _, answer = server.ask("POST", "/predict", body, **kind)
    assert status == 413
    assert "The field 'threshold' has more than 100 kB" in json.loads(answer)["detail"]


def test_a_form_must_have_few_parts(server: Server) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x", "X-Forwarded-For": "192.0.2.6"}
    status, _, answer = server.ask("POST", "/predict", part * 6_000 + b"--x--\r\n", **kind)
    assert status == 413
    assert "more than 5,000 files and fields" in json.loads(answer)["detail"]


def test_a_refused_upload_is_told_why_and_not_reset(server: Server) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x", "Sec-Fetch-Site": "cross-site"}
    status, _, answer = server.ask("POST", "/predict", bytes(1_900_000), **kind)
    assert status == 403
    assert "page of another site" in json.loads(answer)["detail"]


def test_nothing_is_left_when_it_stops(tmp_path: Path) -> None:
    server = start(tmp_path)
    server.ask("GET", "/help")
    assert list(tmp_path.glob("*.sqlite3")) != []
    stop(server)
    assert list(tmp_path.glob("*.sqlite3*")) == []


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False)])
@pytest.mark.parametrize("is_option", [True, False])
def test_a_server_that_is_open_to_all_warns_at_the_start(
    tmp_path: Path, host: str, warned: bool, is_option: bool
) -> None:
    port = free_port()
    environment = os.environ | {"PORT": str(port), "GROUNDGLASS_RESULTS": str(tmp_path / "results")}
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    if is_option:
        command += ["--bind", f"{host}:{port}"]
    else:
        environment["HOST"] = host
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_alive(Server(process, port, tmp_path / "results", tmp_path / "log"))
        told = (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
    assert ("everybody who can reach this machine can use Groundglass" in told) == warned


def test_a_bad_file_of_keys_stops_the_server_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("anna\n")
    environment = os.environ | {"GROUNDGLASS_API_KEYS_FILE": str(tmp_path / "keys"), "PORT": str(free_port())}
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert answer.returncode != 0
    assert re.fullmatch(r"Line 1 of .*/keys must be a name of its own and the SHA-256 of a key\n", answer.stderr)


def test_a_connection_that_stalls_is_closed(tmp_path: Path) -> None:
    # The time of gunicorn.conf.py, shortened.
    config = tmp_path / "gunicorn.conf.py"
    text = (ROOT / "gunicorn.conf.py").read_text()
    assert "STALLED_S = 30" in text
    config.write_text(text.replace("STALLED_S = 30", "STALLED_S = 1"))
    port = free_port()
    environment = os.environ | {"PORT": str(port), "GROUNDGLASS_RESULTS": str(tmp_path / "results")}
    command = [sys.executable, "-m", "gunicorn", "--config", str(config), "--pythonpath", str(ROOT), "wsgi:app"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    server = Server(process, port, tmp_path / "results", tmp_path / "log")
    try:
        wait_until_alive(server)
        began = time.monotonic()
        for sent, told in ((b"GET / HT", b""), (BEGIN, b"HTTP/1.1 400")):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(sent)
                assert connection.recv(4096).startswith(told)
        # Long before the client gave up.
        assert time.monotonic() - began < 25
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
