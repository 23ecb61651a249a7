"""How gunicorn serves Groundglass: gunicorn --config gunicorn.conf.py wsgi:app."""

from __future__ import annotations

import os
from typing import Any

from webapp.results import ResultStore
from webapp.settings import read_settings

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"

# Each worker is a process with its own copy of the network, about 300 MB. Results lie on disk, so any worker
# answers for any result.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# Threads let downloads and pages through while another thread of the worker waits for the network.
worker_class = "gthread"
threads = 4
# A slice takes well under a second; a minute leaves room for a slow upload of the largest file.
timeout = 60
graceful_timeout = 30
# The engine is loaded in each worker after the fork: threads that it starts would not survive one.
preload_app = False
# Nothing here needs steering from outside, and the socket would be made in the home folder.
control_socket_disable = True
# No access log: it would keep addresses, and the error log says what went wrong.
accesslog = None
errorlog = "-"


def on_exit(server: Any) -> None:
    """Delete every result when the server stops: nobody can look at them, and no one would delete them later."""
    ResultStore.from_settings(read_settings(os.environ)).clear()
