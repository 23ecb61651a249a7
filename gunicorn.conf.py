"""How gunicorn serves Groundglass: gunicorn --config gunicorn.conf.py wsgi:app."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

from webapp.company import WORKERS
from webapp.doors.secret import secret_key
from webapp.exposure import usual_names, warning
from webapp.files import allow_open_files
from webapp.keys import read_keys
from webapp.memory import keep_memory
from webapp.monitoring import logs
from webapp.results import ResultStore
from webapp.settings import counters_file, read_prefix, read_settings, read_workers

host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000")
bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

# Two servers of one checkout must not share a folder: each empties its own when it stops.
os.environ.setdefault("GROUNDGLASS_RESULTS", f"instance/results-{port}")

# Threads of OpenCV that have nothing to do would look for work for a while before they sleep: 220 changes of thread for
# each request, 1.6 ms of the cores that the network lacks. It reads this when it is loaded, in the workers.
for who in ("WORKER", "MAIN"):
    os.environ.setdefault(f"OPENCV_THREAD_POOL_ACTIVE_WAIT_{who}", "0")

try:
    settings = read_settings(os.environ)
    # Each worker is a process with its own copy of the network: 340 MB after slices of 512x512, up to a GB after what
    # calls rest on and pictures of 4096x4096, and 100 MB for the process beside it that decodes. Results lie on disk,
    # so any worker answers for any result. Two, whatever the cores are: one answers while the other begins anew.
    # The network of each uses all cores while no other is asked, else its share of them: on two cores one client gets
    # 15.4 slices a second, and 16 clients 17.1. If each always took all it were 15.0 and 16.3, and with one thread
    # each (GROUNDGLASS_THREADS=1) 8.7 and 17.1.
    workers = read_workers(os.environ)
    # Used by each worker, in wsgi.py; here, what is wrong with it is told once.
    read_prefix(os.environ)
    # Made here where it is missing, so that what is wrong with it is told once.
    secret_key(settings)
    if settings.api_keys_file is not None:
        read_keys(settings.api_keys_file)
except ValueError as exc:
    # The sentence alone: a traceback through gunicorn would bury it.
    sys.exit(f"{exc}")

# Threads let downloads and pages through while others of the worker wait for the network (webapp.places says how many
# may, half of them), for a volume, or for a slow client.
# gunicorn's own, but for the beginning and the end of a connection, which take none of them.
worker_class = "webapp.uploads.connections.Worker"
threads = 32
# Before the workers are forked, which take it over.
keep_memory()
# A worker that shows no sign of life for so long is replaced. That is not the time of a request, since another thread
# gives the signs, but of a start, which takes two seconds (docs/benchmarks.md). Slow clients are not cut off by this,
# but by the sockets' own limit below, and uploads by webapp.uploads.patience.
timeout = 60
# Each connection is an open file, and each upload on its way another.
worker_connections = min(1000, allow_open_files() // 2)
# More than a slice at the end of a full queue takes (eight seconds with 64 clients, docs/load.md), and than
# STOP_WITHIN_S.
graceful_timeout = 30
# What libraries keep for ever ends with a worker: some 0.7 MB for 1,000 requests were measured with slices and pages,
# a tenth of a worker after so many. With reports and explanations a worker grows to 720 to 830 MB within four minutes,
# and no further in five more (16 clients, 5,167 requests). By chance a tenth more, so that workers do not end together.
# A volume that is being read then goes to the next.
max_requests, max_requests_jitter = 50_000, 5_000
# Of these, how long a volume may take to be left: a slice takes a tenth of a second, large files are written in two.
STOP_WITHIN_S = 20
# The engine is loaded in each worker after the fork: threads that it starts would not survive one.
preload_app = False
# Nothing here needs steering from outside, and the socket would be made in the home folder.
control_socket_disable = True
# Who is believed about the client's address and https is a setting of the app's own: see webapp.doors.proxies.
forwarded_allow_ips = ""
# No access log: it would keep the addresses of all clients. The app logs each request, see webapp.monitoring.monitor.
accesslog = None
errorlog = "-"
logconfig_dict = logs.settings()
logs.take_over()

# Here the workers keep their figures, which any of them adds up; see webapp.monitoring.metrics. A file each, whatever
# its process was, so that they must go when the server starts anew.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="groundglass-metrics-")
figures = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def on_starting(server: Any) -> None:
    """Begin to count from nothing."""
    figures.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_figures()


def _forget_figures() -> None:
    for file in figures.glob("*.db"):
        file.unlink(missing_ok=True)


# How long a client may send nothing, or take nothing of what is sent, before its connection is closed.
STALLED_S = 30


def when_ready(server: Any) -> None:
    """Warn where the server is open to all, tell the workers its names, and let connections that stall end.

    Connections that are accepted take the last over from the sockets that listen.
    """
    sockets = [listener.sock for listener in server.LISTENERS]
    # Whatever option or setting said so. A file is this machine's alone, and browsers do not open it.
    hosts = [str(sock.getsockname()[0]) for sock in sockets if sock.family != socket.AF_UNIX]
    sys.stderr.write(warning(hosts, settings))
    sys.stderr.flush()
    if names := usual_names(hosts):
        os.environ.setdefault("GROUNDGLASS_HOSTS", names)
    for sock in sockets:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALLED_S, 0))


def post_fork(server: Any, worker: Any) -> None:
    """Let the worker be counted where it computes; its age is a number that no other has."""
    WORKERS.join(worker.age)


def child_exit(server: Any, worker: Any) -> None:
    """Count a worker that has ended no more."""
    WORKERS.leave(worker.age)


def post_worker_init(worker: Any) -> None:
    """Let SIGTERM reach the volume that is being read at once, not when all requests have been answered."""
    queue = _queue_of(worker)

    def stop(number: int, frame: Any) -> None:
        queue.stopping.set()
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, stop)
    # As gunicorn has it: requests in work are not disturbed.
    signal.siginterrupt(signal.SIGTERM, False)


def worker_exit(server: Any, worker: Any) -> None:
    """Wait until no volume is read: a process that ends under the network is aborted by the system."""
    queue = _queue_of(worker)
    if queue is not None and not queue.stop(within_s=STOP_WITHIN_S):
        # It is writing large files, say. Its job is found stalled, and begun again.
        os._exit(0)


def _queue_of(worker: Any) -> Any:
    """Return the queue of a worker; None in gunicorn's own process, and where the app could not be loaded."""
    app = getattr(worker, "wsgi", None)
    if app is None:
        return None
    from webapp.jobs.queueing import EXTENSION  # The worker has it; gunicorn's own process would be twice as large.

    return app.extensions[EXTENSION]


def on_exit(server: Any) -> None:
    """Delete every result when the server stops: nobody can look at them, and no one would delete them later.

    With a queue in Redis other servers and workers share the folder; then results wait for their time to be over.
    """
    _forget_figures()
    with contextlib.suppress(OSError):
        # One that was given to us may hold what is not ours.
        figures.rmdir()
    if not settings.redis_url:
        ResultStore.from_settings(settings).clear()
        counters_file(settings).unlink(missing_ok=True)
