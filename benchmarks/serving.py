"""A server of its own for a measurement, and what its processes hold in memory."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_S = 90.0
BOUNDARY = "groundglass-load"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, **environment: str) -> Iterator[tuple[int, int]]:
    """Serve as `make serve` does, on a free port of this machine; give the process and the port."""
    port = free_port()
    ours = {"HOST": "127.0.0.1", "PORT": str(port), "GROUNDGLASS_RESULTS": str(folder / "results")}
    with gunicorn(["--config", "gunicorn.conf.py", "wsgi:app"], port, folder, ours | environment) as pid:
        yield pid, port


@contextlib.contextmanager
def gunicorn(arguments: Sequence[str], port: int, folder: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run gunicorn until the block ends; give its process once it listens on a port. It writes to FOLDER/log."""
    command = [sys.executable, "-m", "gunicorn", *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_open(port)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _wait_until_open(port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"the server does not listen on port {port} after {START_S:.0f} seconds")


def resident_mb(pid: int) -> float | None:
    """Return what a process and all below it hold in memory, in millions of bytes; None where there is no /proc.

    Pages that several of them share are counted for each.
    """
    if not Path("/proc/self/statm").exists():
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for number in _family(pid):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{number}/statm").read_text().split()[1]) * page
    return total / 1e6


def peak_mb(pid: int) -> dict[int, float]:
    """Return the most that a process and each below it has held in memory so far, in millions of bytes, by its number.

    Nothing where there is no /proc.
    """
    peaks: dict[int, float] = {}
    for number in _family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{number}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks[number] = int(line.split()[1]) * 1024 / 1e6
    return peaks


def multipart(content: bytes, fields: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a form with fields, and a picture in the field "file"."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        for name, text in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="slice.png"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Accept": "image/png, text/html"}


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold anything.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    family, waiting = [], [pid]
    while waiting:
        family.append(waiting.pop())
        waiting += parents.get(family[-1], [])
    return family


def machine() -> str:
    """Return what this machine is, in a line."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    system = os.uname()
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, {system.sysname} {system.machine}"
