"""What happens to the real server goes on, and what its users see meanwhile; nothing is lost or left behind."""

from __future__ import annotations

import array
import contextlib
import fcntl
import gzip
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from model.card import SHIPPED_WEIGHTS
from tests.test_server import Server, start, stop, wait_for_job
from tests.webapp.scans import nifti

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it needs /proc to find processes")

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
TAIL = b"\r\n--x--\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one worker, which outlives all that is done to it."""
    server = start(tmp_path_factory.mktemp("server"), WEB_CONCURRENCY="1")
    yield server
    stop(server)


def children(pid: int) -> dict[int, str]:
    """Return the processes that a process has started, with their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found[int(stat.parent.name)] = stat.with_name("cmdline").read_text()
    return found


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def worker_of(server: Server) -> int:
    wait_until(lambda: len(children(server.process.pid)) == 1)
    return next(iter(children(server.process.pid)))


def reader_of(server: Server) -> int:
    def readers() -> list[int]:
        return [pid for pid, command in children(worker_of(server)).items() if "reader_process" in command]

    # One that read beside it is on its way out, or the one of a worker that is new on its way in.
    wait_until(lambda: len(readers()) == 1)
    return readers()[0]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def begun(server: Server, length: int, path: str = "/predict") -> Iterator[socket.socket]:
    """A request that the server has begun to read the body of: it has asked for that."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        yield connection


def answer_of(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


def kept(server: Server) -> list[str]:
    return [path.name for path in server.results.iterdir()] if server.results.exists() else []


def test_a_killed_worker_costs_its_requests_alone(server: Server, phantom: bytes) -> None:
    worker, reader = worker_of(server), reader_of(server)
    with begun(server, len(HEAD + phantom + TAIL)) as connection:
        connection.sendall(HEAD + phantom[:100])
        os.kill(worker, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            assert answer_of(connection) == b""
    # The next request waits for the worker that takes its place.
    assert server.post("/predict", phantom)[0] == 200
    assert worker_of(server) != worker
    wait_until(lambda: not is_alive(reader))
    assert kept(server) == []


def test_a_volume_whose_worker_is_killed_is_begun_again(server: Server) -> None:
    assert kept(server) == []
    address = server.post("/predict", gzip.compress(nifti(*["one"] * 12)))[1]["Location"]
    wait_for_job(server, address, lambda job: job["slices_done"] > 0)
    os.kill(worker_of(server), signal.SIGKILL)
    wait_until(lambda: len(children(server.process.pid)) == 1)
    # Half a minute passes in no time.
    (state,) = server.results.glob("*/working-1")
    os.utime(state, (time.time() - 60,) * 2)
    wait_for_job(server, address, lambda job: job["state"] == "done")
    (done,) = server.results.glob("*/done-2")
    shutil.rmtree(done.parent)


def test_a_server_that_stops_answers_what_it_has_begun(tmp_path: Path, phantom: bytes) -> None:
    server = start(tmp_path, WEB_CONCURRENCY="1")
    with begun(server, len(HEAD + phantom + TAIL)) as connection:
        connection.sendall(HEAD + phantom[:100])
        server.process.send_signal(signal.SIGTERM)
        connection.sendall(phantom[100:] + TAIL)
        assert answer_of(connection).startswith(b"HTTP/1.1 200")
    assert server.process.wait(timeout=40) == 0
    assert kept(server) == []


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A disk of its own at a folder; the test is skipped where that is not allowed."""
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", options, "none", folder], capture_output=True).returncode
    ):
        pytest.skip("it may mount no disk")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("options", ["size=64k", "ro"], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_is_told(options: str, tmp_path: Path, phantom: bytes) -> None:
    with mounted(tmp_path / "results", options):
        server = start(tmp_path, WEB_CONCURRENCY="1")
        try:
            check_nothing_is_kept(server, phantom)
        finally:
            stop(server)


def test_a_file_in_the_place_of_the_results_is_told(tmp_path: Path, phantom: bytes) -> None:
    (tmp_path / "results").write_text("")
    server = start(tmp_path, WEB_CONCURRENCY="1")
    try:
        check_nothing_is_kept(server, phantom)
    finally:
        stop(server)


def check_nothing_is_kept(server: Server, phantom: bytes) -> None:
    """What must be kept is refused with a sentence, what need not be is done, and nothing is left behind."""
    for path, content in (("/upload", phantom), ("/predict", gzip.compress(nifti(*["one"] * 3), 0))):
        status, headers, body = server.post(path, content)
        assert (status, headers["Content-Type"]) == (503, "application/problem+json")
        assert "cannot keep results now" in json.loads(body)["detail"]
    status, _, page = server.post("/upload", phantom, Accept="text/html")
    assert status == 503
    assert b"cannot keep results now" in page
    assert server.post("/predict", phantom)[0] == 200
    assert server.results.is_file() or kept(server) == []


def test_damaged_weights_are_told_and_the_server_lives(tmp_path: Path, phantom: bytes) -> None:
    weights = tmp_path / "weights.xml"
    weights.write_bytes(SHIPPED_WEIGHTS.read_bytes())
    weights.with_suffix(".bin").write_bytes(SHIPPED_WEIGHTS.with_suffix(".bin").read_bytes()[:1000])
    server = start(tmp_path, WEB_CONCURRENCY="1", GROUNDGLASS_WEIGHTS=str(weights))
    try:
        status, _, body = server.ask("GET", "/readyz")
        assert status == 503
        assert "weights" in json.loads(body)["detail"]
        status, _, page = server.post("/upload", phantom, Accept="text/html")
        assert status == 503
        assert b"its network could not be loaded" in page
        assert server.ask("GET", "/", Accept="text/html")[0] == 200
    finally:
        stop(server)


def test_a_client_that_is_gone_in_the_middle_of_an_upload_leaves_nothing(server: Server, phantom: bytes) -> None:
    for path in ("/predict", "/upload"):
        with begun(server, 10_000_000, path) as connection:
            connection.sendall(HEAD + bytes(100_000))
    assert server.post("/predict", phantom)[0] == 200
    assert "Traceback" not in server.log.read_text()
    assert kept(server) == []


def test_a_client_that_is_gone_in_the_middle_of_a_chunk_leaves_nothing(server: Server, phantom: bytes) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(head + HEAD + bytes(1000))
    assert server.post("/predict", phantom)[0] == 200
    assert "Traceback" not in server.log.read_text()
    assert kept(server) == []


def test_slow_clients_keep_nobody_waiting(server: Server, phantom: bytes) -> None:
    with contextlib.ExitStack() as slow:
        connections = [slow.enter_context(begun(server, len(HEAD + phantom + TAIL))) for _ in range(5)]
        for byte in HEAD[:3]:
            for connection in connections:
                connection.sendall(bytes([byte]))
            assert server.post("/predict", phantom)[0] == 200
        # They are answered too, in the end.
        connections[0].sendall(HEAD[3:] + phantom + TAIL)
        assert answer_of(connections[0]).startswith(b"HTTP/1.1 200")


def waiting_bytes(pid: int) -> int:
    """Return how much lies in the pipe that a process reads."""
    count = array.array("i", [0])
    with Path(f"/proc/{pid}/fd/0").open("rb", buffering=0) as pipe:
        fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def small_picture(phantom: bytes) -> bytes:
    """Return a slice as PNG that a pipe holds whole."""
    with Image.open(io.BytesIO(phantom)) as opened, io.BytesIO() as buffer:
        opened.resize((128, 128)).save(buffer, "PNG")
        return buffer.getvalue()


def test_a_reader_that_dies_over_a_file_costs_that_file(server: Server, phantom: bytes) -> None:
    assert server.post("/predict", phantom)[0] == 200
    reader, small = reader_of(server), small_picture(phantom)
    os.kill(reader, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.post, "/predict", small)
        # All of it is in the pipe: of a file that a process has not taken, another is asked.
        wait_until(lambda: waiting_bytes(reader) >= len(small))
        os.kill(reader, signal.SIGKILL)
        status, _, body = answer.result()
    assert status == 422
    assert "ended the process that read it" in json.loads(body)["detail"]
    assert server.post("/predict", phantom)[0] == 200
    assert reader_of(server) != reader


def test_a_reader_that_dies_meanwhile_is_not_missed(server: Server, phantom: bytes) -> None:
    reader = reader_of(server)
    os.kill(reader, signal.SIGKILL)
    wait_until(lambda: not is_alive(reader))
    assert server.post("/predict", phantom)[0] == 200


def test_a_reader_that_is_kept_by_one_file_keeps_no_other_waiting(server: Server, phantom: bytes) -> None:
    assert server.post("/predict", phantom)[0] == 200
    reader = reader_of(server)
    os.kill(reader, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        kept_waiting = pool.submit(server.post, "/predict", phantom)
        wait_until(lambda: waiting_bytes(reader))
        assert server.post("/predict", phantom)[0] == 200
        os.kill(reader, signal.SIGCONT)
        assert kept_waiting.result()[0] == 200


def test_an_answer_that_nobody_waits_for_disturbs_nobody(server: Server, phantom: bytes) -> None:
    body = HEAD + phantom + TAIL
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/predict", body, {"Content-Type": "multipart/form-data; boundary=x"})
    connection.close()
    assert server.post("/predict", phantom)[0] == 200
    assert "Traceback" not in server.log.read_text()
