"""Replay Dockerfile and compose.yaml where there is no container engine: python -m deploy.replay

In a clean folder and a clean virtual environment it does what the Dockerfile says, starts the server as the image
would, waits until its health check passes, and has a slice read; then, with the settings of compose.yaml and a Redis,
has a volume read by a worker. What this cannot show: docs/deployment.md.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.phantom_volume import write_volume
from benchmarks.serving import free_port
from deploy.asking import Server
from deploy.box import Box
from deploy.compose import Service, read_services
from deploy.dockerfile import read_image
from deploy.processes import Running, found, running
from model.phantom import phantom_png

ROOT = Path(__file__).parents[1]
READY_S = 60.0
READ_S = 120.0
SLICES = 2
PAGES = ("/", "/help", "/docs", "/openapi.json", "/static/groundglass.css")
"""Of files that a forgotten COPY would leave out."""

NOT_FOR_SERVING = ("tensorflow", "keras", "segmentation_models")


def say(sentence: str) -> None:
    """Tell how far the replay is."""
    sys.stdout.write(f"replay: {sentence}\n")
    sys.stdout.flush()


def build(folder: Path) -> Box:
    """Return what the Dockerfile makes.

    Raises
    ------
    ValueError : a step fails, or a framework of the training is there.
    """
    box = Box(folder, read_image((ROOT / "Dockerfile").read_text(encoding="utf-8")))
    begun = time.monotonic()
    box.build(ROOT)
    say(f"built in {time.monotonic() - begun:.0f} s, {_megabytes(box.root)} MB of files{box.differs_in_python()}")
    there = [name for name in NOT_FOR_SERVING if box.knows(name)]
    if there:
        raise ValueError(f"The image can import {', '.join(there)}, which only training needs")
    return box


def _megabytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1_000_000


@contextlib.contextmanager
def served(box: Box, settings: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Start the image's command, wait until its health check passes; give the server."""
    port = free_port()
    environment = box.environment({**settings, "PORT": str(port)})
    folder = box.path(".")
    with running("the server", box.image.command, environment=environment, folder=folder, log=log) as process:
        check = [found(box.image.health[0], environment), *box.image.health[1:]]

        def is_healthy() -> bool:
            return subprocess.run(check, env=environment, cwd=folder, capture_output=True, timeout=30).returncode == 0

        taken = process.wait_until("healthy", is_healthy, within_s=READY_S)
        say(f"the health check passes after {taken:.1f} s")
        yield Server(port)


def replay_image(box: Box, logs: Path) -> None:
    """Have a slice read by the image alone.

    Raises
    ------
    ValueError : an answer is none, or files are written where an image may be read-only. TimeoutError : it takes long.
    """
    before = box.written()
    with served(box, {}, logs / "server") as server:
        for page in PAGES:
            server.page(page)
        size = len(server.overlay(phantom_png("many")))
    say(f"a slice is read: an overlay of {size} bytes")
    if written := box.written() - before:
        raise ValueError(f"Written outside of the volume and /tmp, where the image may be read-only: {sorted(written)}")


@contextlib.contextmanager
def redis(service: Service, logs: Path) -> Iterator[int]:
    """Start the Redis of the compose file on a free port of this machine; give the port."""
    port = free_port()
    command = [*service.command, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(logs)]
    if shutil.which(command[0]) is None:
        raise ValueError(f"{command[0]} is not installed: apt-get install redis-server")
    with running("Redis", command, environment={"PATH": "/usr/bin:/bin"}, folder=logs, log=logs / "redis") as process:
        process.wait_until("listening", lambda: _listens(port), within_s=READY_S)
        yield port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def settings_of(service: Service, redis_port: int) -> dict[str, str]:
    """Return the settings of a service, with the Redis of this machine in the place of the network's.

    Raises
    ------
    ValueError : they name no Redis.
    """
    url = service.environment.get("REDIS_URL", "")
    if not url.startswith("redis://redis:6379"):
        raise ValueError(f"REDIS_URL of {service.name} must begin with redis://redis:6379, got {url!r}")
    return {**service.environment, "REDIS_URL": url.replace("redis:6379", f"127.0.0.1:{redis_port}", 1)}


def replay_compose(box: Box, services: Mapping[str, Service], logs: Path) -> None:
    """Have a volume read by the worker of the compose file.

    Raises
    ------
    ValueError : an answer is none, the server reads the volume itself, or the worker fails. TimeoutError : it takes
        long.
    """
    volume = logs / "volume.nii.gz"
    write_volume(volume, SLICES)
    with contextlib.ExitStack() as started:
        port = started.enter_context(redis(services["redis"], logs))
        server = started.enter_context(served(box, settings_of(services["web"], port), logs / "web"))
        job = server.order(volume.read_bytes())
        if (state := server.job(job)["state"]) != "queued":
            raise ValueError(f"Without a worker a volume must wait, but is {state}")
        environment = box.environment(settings_of(services["worker"], port))
        command = services["worker"].command
        worker = started.enter_context(
            running("the worker", command, environment=environment, folder=box.path("."), log=logs / "worker")
        )
        _wait_for(server, job, worker)


def _wait_for(server: Server, job: str, worker: Running) -> None:
    taken = worker.wait_until("done", lambda: server.job(job)["state"] not in ("queued", "working"), within_s=READ_S)
    said = server.job(job)
    if said["state"] != "done" or said["slices_done"] != SLICES:
        raise ValueError(f"The worker does not read the volume: {said}")
    say(f"a volume of {SLICES} slices is read by the worker, {taken:.1f} s after its start")


def main() -> None:
    """Replay both."""
    # As an exception it ends the blocks, and with them the processes.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("replay: told to stop"))
    services = read_services((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="groundglass-replay-") as name:
        logs = Path(name) / "logs"
        logs.mkdir()
        try:
            box = build(Path(name))
            replay_image(box, logs)
            replay_compose(box, services, logs)
        except (ValueError, TimeoutError, subprocess.TimeoutExpired) as exc:
            sys.exit(f"replay: {exc}")


if __name__ == "__main__":
    main()
