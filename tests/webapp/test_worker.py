"""Volumes that are queued in a real Redis and read by a worker process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import create_app
from tests.test_server import free_port
from tests.webapp.forms import BROWSER, post_file, upload
from tests.webapp.scans import nifti

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of its own on loopback, keeping nothing."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    port = free_port()
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path_factory.mktemp("r")),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_for_port(port)
        yield f"redis://127.0.0.1:{port}"
        process.terminate()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("redis-server does not listen")


def start_worker(url: str, results: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"REDIS_URL": url, "GROUNDGLASS_RESULTS": str(results)}
    return subprocess.Popen([sys.executable, "-m", "webapp.worker"], cwd=ROOT, env=environment)


def test_a_worker_reads_what_the_server_queues(redis_url: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    client = create_app({"results": results, "redis_url": redis_url}).test_client()
    address = upload(client, nifti("one", "none"), name="scan.nii")
    assert "Next in the queue." in client.get(address).text
    worker = start_worker(redis_url, results)
    try:
        deadline = time.monotonic() + 90
        while "of the lungs in this scan" not in client.get(address).text:
            assert time.monotonic() < deadline, client.get(address).text
            assert worker.poll() is None
            time.sleep(0.2)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)


def test_the_queue_in_redis_is_short_too(redis_url: str, tmp_path: Path) -> None:
    client = create_app({"results": tmp_path / "results", "redis_url": redis_url, "queue": 1}).test_client()
    upload(client, nifti("none"), name="scan.nii")
    response = post_file(client, "/upload", nifti("none"), headers=BROWSER)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "60"


def test_a_redis_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    client = create_app({"results": tmp_path / "results", "redis_url": url}).test_client()
    response = post_file(client, "/upload", nifti("none"), headers=BROWSER)
    assert response.status_code == 503
    assert "its queue does not answer" in response.text
    assert not list((tmp_path / "results").glob("[0-9a-f]*"))


def test_a_worker_without_redis_says_what_is_missing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    command = [sys.executable, "-m", "webapp.worker"]
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1
    assert "REDIS_URL is not set" in answer.stderr
