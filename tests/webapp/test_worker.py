"""Volumes that are queued in a real Redis and read by a worker process."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from app import create_app
from benchmarks.serving import free_port
from tests.webapp.forms import BROWSER, post_file, upload
from tests.webapp.scans import nifti
from webapp.jobs.queueing import EXTENSION, RedisQueue

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


def log_of(results: Path) -> Path:
    return results.with_name("worker.log")


@contextlib.contextmanager
def worker(url: str, results: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, which is told to stop at the end."""
    environment = os.environ | {"REDIS_URL": url, "GROUNDGLASS_RESULTS": str(results)}
    command = [sys.executable, "-m", "webapp.worker"]
    with log_of(results).open("ab") as log, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.send_signal(signal.SIGCONT)
            process.wait(timeout=30)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for what a worker does."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)


def job(client: FlaskClient, address: str) -> dict[str, Any]:
    """Return where a job stands."""
    return dict(client.get(address.replace("results", "jobs")).get_json())


def tend(app: Flask) -> None:
    """See to the jobs, as a server does every few seconds."""
    queue = app.extensions[EXTENSION]
    assert isinstance(queue, RedisQueue)
    queue.tend()


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> Flask:
    """A server whose queue in Redis is empty."""
    Redis.from_url(redis_url).flushall()
    return create_app({"results": tmp_path / "results", "redis_url": redis_url})


def test_a_worker_reads_what_the_server_queues(app: Flask, redis_url: str, tmp_path: Path) -> None:
    client = app.test_client()
    address = upload(client, nifti("one", "none"), name="scan.nii")
    assert "Next in the queue." in client.get(address).text
    with worker(redis_url, tmp_path / "results") as process:
        wait_until(lambda: job(client, address)["state"] == "done", process)
    # The network takes 400 MB: it is there once.
    assert log_of(tmp_path / "results").read_text().count("loading groundglass") == 1


def test_what_a_killed_worker_was_reading_is_read_by_another(app: Flask, redis_url: str, tmp_path: Path) -> None:
    client = app.test_client()
    # Long enough to be killed at.
    address = upload(client, gzip.compress(nifti(*["one"] * 12)), name="scan.nii.gz")
    with worker(redis_url, tmp_path / "results") as killed:
        wait_until(lambda: job(client, address)["slices_done"] > 0, killed)
        killed.kill()
    (working,) = (tmp_path / "results").glob("*/working-1")
    os.utime(working, (0, 0))
    tend(app)
    assert job(client, address)["state"] == "queued"
    with worker(redis_url, tmp_path / "results") as process:
        wait_until(lambda: job(client, address)["state"] == "done", process)
    assert len(job(client, address)["measurements"]["slices"]) == 12
    assert list((tmp_path / "results").glob("*/done-2"))
    assert not list((tmp_path / "results").glob("*/upload"))


def test_a_worker_that_was_only_slow_stops_and_disturbs_nobody(app: Flask, redis_url: str, tmp_path: Path) -> None:
    client, results = app.test_client(), tmp_path / "results"
    address = upload(client, gzip.compress(nifti(*["one"] * 12)), name="scan.nii.gz")
    with worker(redis_url, results) as slow:
        wait_until(lambda: job(client, address)["slices_done"] > 0, slow)
        slow.send_signal(signal.SIGSTOP)
        (working,) = results.glob("*/working-1")
        os.utime(working, (0, 0))
        tend(app)
        with worker(redis_url, results) as other:
            wait_until(lambda: bool(list(results.glob("*/working-2"))), other)
            slow.send_signal(signal.SIGCONT)
            wait_until(lambda: job(client, address)["state"] == "done", other)
            wait_until(lambda: "begun again by another process" in log_of(results).read_text(), slow)
    assert "Traceback" not in log_of(results).read_text()


def test_a_redis_that_forgot_the_queue_is_told_again(app: Flask, redis_url: str, tmp_path: Path) -> None:
    client = app.test_client()
    address = upload(client, nifti("one"), name="scan.nii")
    Redis.from_url(redis_url).flushall()
    for _ in range(2):
        tend(app)
    assert Redis.from_url(redis_url).llen("rq:queue:groundglass") == 1
    with worker(redis_url, tmp_path / "results") as process:
        wait_until(lambda: job(client, address)["state"] == "done", process)


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


def test_clients_are_counted_over_all_servers_of_one_redis(redis_url: str, tmp_path: Path) -> None:
    Redis.from_url(redis_url).flushall()
    settings = {"redis_url": redis_url, "rate_look": "3/hour"}
    # As two machines that share Redis and the secret, each with its own folder.
    apps = [create_app({**settings, "results": tmp_path / name, "secret_key": "s" * 32}) for name in ("a", "b")]
    statuses = [app.test_client().get("/").status_code for app in (*apps, *apps, *apps)]
    assert statuses == [200, 200, 200, 429, 429, 429]
