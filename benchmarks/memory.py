"""The most memory that a process of a server holds: ours, and one in the way of public projects; and their start."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clients import post
from benchmarks.figures import Figures
from benchmarks.load import UNLIMITED
from benchmarks.serving import free_port, gunicorn, peak_mb, running
from model.phantom import EXAMPLES, phantom_png

REQUESTS = 50


def measure(*, quick: bool) -> Figures:
    """Return the figures of a worker of either server after so many requests.

    Raises
    ------
    RuntimeError : one of them does not answer.
    """
    requests = 6 if quick else REQUESTS
    return {"requests": requests, "served": _ask(_ours(), requests), "public style": _ask(_public(), requests)}


@contextlib.contextmanager
def _ours() -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory(prefix="groundglass-bench-") as folder:
        with running(Path(folder), WEB_CONCURRENCY="1", **UNLIMITED) as server:
            yield server


@contextlib.contextmanager
def _public() -> Iterator[tuple[int, int]]:
    port = free_port()
    # Not our settings, which gunicorn would find in the folder.
    arguments = ["--config", os.devnull, "--bind", f"127.0.0.1:{port}", "--workers", "1", "--timeout", "120"]
    with tempfile.TemporaryDirectory(prefix="groundglass-bench-") as folder:
        with gunicorn([*arguments, "--no-control-socket", "benchmarks.public_app:app"], port, Path(folder), {}) as pid:
            yield pid, port


def _ask(server: contextlib.AbstractContextManager[tuple[int, int]], requests: int) -> Figures:
    """Send slices to a server that is started for it, one after the other."""
    pictures = [phantom_png(kind) for kind in EXAMPLES]
    began = time.monotonic()
    with server as (pid, port):
        for number in range(requests):
            status, _ = post(port, pictures[number % len(pictures)])
            if status != 200:
                raise RuntimeError(f"a server that is measured answers {status} to a slice")
            if number == 0:
                first = time.monotonic() - began
        return {"first_answer_s": first, **shares(pid, peak_mb(pid))}


def shares(pid: int, peaks: dict[int, float]) -> Figures:
    """Tell the worker from the process that started it and from those that it has started itself.

    Parameters
    ----------
    pid : the process that started it. peaks : by process, as `benchmarks.serving.peak_mb` gives them.

    >>> shares(1, {1: 30.0, 2: 400.0, 3: 90.0})
    {'worker_mb': 400.0, 'helpers_mb': 90.0, 'with_helpers_mb': 490.0, 'starter_mb': 30.0}
    >>> shares(1, {})
    {'worker_mb': None, 'helpers_mb': None, 'with_helpers_mb': None, 'starter_mb': None}
    """
    others = {number: peak for number, peak in peaks.items() if number != pid}
    if not others:
        return dict.fromkeys(("worker_mb", "helpers_mb", "with_helpers_mb", "starter_mb"))
    # What reads uploads for it holds no network, and is far smaller.
    worker, total = max(others.values()), sum(others.values())
    return {"worker_mb": worker, "helpers_mb": total - worker, "with_helpers_mb": total, "starter_mb": peaks[pid]}
